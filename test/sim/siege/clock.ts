/** A wall clock that the besieger sets, so that things grow old; time itself goes on as it does. */
import { systemClock } from "../../../src/app/platform.ts";
import type { Clock, TimeUs } from "../../../src/core/index.ts";

export class SetClock implements Clock {
  us: number;
  private readonly real = systemClock();

  constructor(us: number) {
    this.us = us;
  }

  now(): TimeUs {
    return this.us as TimeUs;
  }

  monotonicUs(): number {
    return this.real.monotonicUs();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.real.sleep(delayMs, signal);
  }
}
