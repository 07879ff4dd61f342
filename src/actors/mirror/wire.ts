/** The network as a mirror sees it: one connection that is read when there is room, written in order, and watched for silence. */
import type { Clock } from "../../core/index.ts";

export interface WireAddress {
  readonly host: string;
  readonly port: number;
  /** Only addresses of that kind; undefined: both. */
  readonly family: 4 | 6 | undefined;
  /** The address of this machine to come from. */
  readonly localAddress: string | undefined;
}

export interface WireTimeouts {
  /** For the connection to be made. */
  readonly connectMs: number;
  /** For a byte to come while one is waited for; 0: as long as it takes. */
  readonly silenceMs: number;
}

export interface Wire {
  /** The address at the other end, where it is known: a name may stand for several servers. */
  readonly peer?: string | undefined;
  /**
   * The next bytes; undefined once the other side has closed. One call at a time; nothing is read ahead of it but what one buffer
   * holds, and its bytes are valid until the next call. Rejects with RSYNC_ENDED when nothing came for too long or the connection broke.
   */
  read(): Promise<Buffer | undefined>;
  /** In order, at once as far as the system takes it. The bytes must not change afterwards. What cannot be sent any more is dropped: the next read tells. */
  write(pieces: readonly Buffer[]): void;
  /** At any time, more than once; a read that waits ends with undefined. */
  close(): void;
}

/** Makes a connection. Rejects with RSYNC_UNREACHABLE. */
export type Dial = (address: WireAddress, timeouts: WireTimeouts) => Promise<Wire>;

const BURST_MS = 100; // So much of the allowed bytes may come at once: pauses shorter than that cost more than they shape.

/** So many bytes a second may come, over all connections together. */
export class Pace {
  private readonly bytesPerSecond: number;
  private readonly clock: Clock;
  private dueUs: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.clock = clock;
    this.dueUs = clock.monotonicUs();
  }

  async wait(): Promise<void> {
    const aheadMs = (this.dueUs - this.clock.monotonicUs()) / 1000;
    if (aheadMs > BURST_MS) await this.clock.sleep(aheadMs);
  }

  took(byteCount: number): void {
    this.dueUs = Math.max(this.dueUs, this.clock.monotonicUs()) + (byteCount / this.bytesPerSecond) * 1e6;
  }
}

/** Reads no faster than that: what is not read, the server cannot send. */
export function throttled(wire: Wire, pace: Pace): Wire {
  return {
    read: async () => {
      await pace.wait();
      const bytes = await wire.read();
      pace.took(bytes?.length ?? 0);
      return bytes;
    },
    write: (pieces) => wire.write(pieces),
    close: () => wire.close(),
  };
}

/** Counts what goes over the wire, on top of what `into` has. */
export function counted(wire: Wire, into: { receivedBytes: number; sentBytes: number }): Wire {
  return {
    read: async () => {
      const bytes = await wire.read();
      into.receivedBytes += bytes?.length ?? 0;
      return bytes;
    },
    write: (pieces) => {
      for (const piece of pieces) into.sentBytes += piece.length;
      wire.write(pieces);
    },
    close: () => wire.close(),
  };
}
