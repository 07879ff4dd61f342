/**
 * How old things are, for retention: host time alone, and a step of the clock that is longer than a day counts for nothing until a
 * person says that it was right. So a clock that is set to another decade expires nothing, and neither does a machine that was off.
 */
const STEP_US_MAX = 26 * 3600 * 1e6; // There is a tree a day while the host runs, a little later each time.

export interface ClockJump {
  readonly fromUs: number;
  readonly toUs: number;
}

export interface Ages {
  /** Of each point, in the order given. */
  readonly ages: readonly number[];
  /** Jumps that count for nothing. */
  readonly jumps: readonly ClockJump[];
}

/** `pointsUs`: host times in the order in which they happened, oldest first. `acceptedUs`: jumps up to here count. Pure. */
export function agesOf(pointsUs: readonly number[], nowUs: number, acceptedUs: number): Ages {
  const ages = new Array<number>(pointsUs.length).fill(0);
  const jumps: ClockJump[] = [];
  let age = 0;
  let after = nowUs;
  for (let i = pointsUs.length - 1; i >= 0; i--) {
    const step = after - pointsUs[i]!;
    if (step > STEP_US_MAX && after > acceptedUs) jumps.unshift({ fromUs: pointsUs[i]!, toUs: after });
    else age += Math.max(0, step); // A clock that went back makes nothing younger.
    ages[i] = age;
    after = pointsUs[i]!;
  }
  return { ages, jumps };
}
