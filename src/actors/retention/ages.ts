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

const JUMPS_MAX = 1000; // A machine that is switched on once a week has 52 a year.

/**
 * The jumps that stay of interest once the trees between which they lie are gone: those after the oldest kept snapshot was taken. Too
 * many become one: what lies between two jumps then counts for nothing either, and snapshots from before stay longer.
 */
export function jumpsToKeep(jumps: readonly ClockJump[], oldestTakenUs: number): ClockJump[] {
  const kept = jumps.filter(({ toUs }) => toUs > oldestTakenUs);
  const excess = kept.splice(0, Math.max(0, kept.length - JUMPS_MAX + 1));
  return excess.length === 0 ? kept : [{ fromUs: excess[0]!.fromUs, toUs: excess.at(-1)!.toUs }, ...kept];
}

/** How much time counts between two host times with these jumps between them, some of which may be known to be right. */
export function countedUs(fromUs: number, toUs: number, jumps: readonly ClockJump[], acceptedUs: number): number {
  const jumpedUs = jumps
    .filter((jump) => jump.toUs > acceptedUs && jump.toUs > fromUs)
    .reduce((sum, jump) => sum + jump.toUs - Math.max(jump.fromUs, fromUs), 0);
  return Math.max(0, toUs - fromUs - jumpedUs);
}
