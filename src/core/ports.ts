/** Time and chance are handed in, so that one seed replays a whole run. */
import type { TimeUs } from "./units.ts";

export interface Clock {
  /** Wall time. May jump. */
  now(): TimeUs;
  /** Microseconds since an arbitrary start; never goes back; runs on while the machine sleeps where the system can tell. */
  monotonicUs(): number;
  /** Resolves after `delayMs`; resolves early (never rejects) when `signal` aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** Fills and returns `byteCount` unpredictable bytes. */
  bytes(byteCount: number): Buffer;
  /** A random UUID in lower case. */
  uuid(): string;
}
