/** Time and chance of this machine, for the Clock and Random ports. */
import { randomBytes, randomUUID } from "node:crypto";
import { uptime } from "node:os";
import type { Clock, Random, TimeUs } from "../core/index.ts";

const TIMER_MS_MAX = 2 ** 31 - 1; // A longer setTimeout fires at once.
const SLEEP_CHECK_US = 1_000_000;
const SLEEP_US_MIN = 200_000; // The time since boot is told in hundredths of a second; less is noise.

class SystemClock implements Clock {
  /** How long the machine has slept since this process started: the monotonic clock of Node stands still meanwhile. */
  private sleptUs = 0;
  private lastCheckUs = monotonicUs();
  private bootAheadUs = uptimeUs() - this.lastCheckUs;

  now(): TimeUs {
    return Math.floor((performance.timeOrigin + performance.now()) * 1000 + this.wallDriftUs()) as TimeUs;
  }

  monotonicUs(): number {
    const nowUs = monotonicUs();
    if (nowUs - this.lastCheckUs >= SLEEP_CHECK_US) {
      this.lastCheckUs = nowUs;
      const aheadUs = uptimeUs() - nowUs;
      if (aheadUs - this.bootAheadUs >= SLEEP_US_MIN) {
        this.sleptUs += aheadUs - this.bootAheadUs;
        this.bootAheadUs = aheadUs;
      }
    }
    return nowUs + this.sleptUs;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX));
      signal?.addEventListener("abort", finish, { once: true });
    });
  }

  /**
   * Node's high-resolution clock starts at the wall time of the process and does not follow when the wall clock is set. It gives the
   * microseconds as long as both agree within the millisecond that Date.now() rounds to; otherwise Date.now() is the truth.
   */
  private wallDriftUs(): number {
    const differenceMs = Date.now() - (performance.timeOrigin + performance.now());
    return differenceMs > -1.5 && differenceMs < 0.5 ? 0 : differenceMs * 1000;
  }
}

function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function uptimeUs(): number {
  return Math.round(uptime() * 1e6);
}

export function systemClock(): Clock {
  return new SystemClock();
}

export function systemRandom(): Random {
  return { bytes: (byteCount) => randomBytes(byteCount), uuid: () => randomUUID() };
}
