/** What a policy lets go: pure, so that a simulation shows what will be done. */
import type { Revision } from "../../core/index.ts";
import { DAY_US } from "./policy.ts";
import type { Policy } from "./policy.ts";

export interface AgedTree {
  readonly revision: Revision;
  readonly ageUs: number;
}
export interface AgedSnapshot extends AgedTree {
  readonly name: string;
  readonly pinned: boolean;
  /** Host time, for the hour, day … that it stands for: that does not move with its age. */
  readonly takenUs: number;
}

export interface Kept {
  /** Oldest first, from the window's start on. */
  readonly trees: readonly AgedTree[];
  readonly snapshots: readonly AgedSnapshot[];
  readonly window: Revision;
}

export interface Verdict {
  /** Where the window begins from now on: at a tree, never before where it does. */
  readonly window: Revision;
  readonly drop: readonly string[];
}

const HOUR_US = DAY_US / 24;
const BUCKETS_US = { hourly: HOUR_US, daily: DAY_US, weekly: 7 * DAY_US, monthly: 30 * DAY_US, yearly: 365 * DAY_US } as const;

/** By age alone. Snapshots of the window stay whatever the policy: every instant of it is kept anyway. */
export function decideByAge({ trees, snapshots, window }: Kept, policy: Policy): Verdict {
  const to = Math.max(window, trees.findLast((tree) => tree.ageUs >= policy.windowUs)?.revision ?? 0) as Revision;
  const old = snapshots.filter((snapshot) => !snapshot.pinned && snapshot.revision < to);
  const chosen = chosenByBuckets(snapshots, policy);
  const drop = old.filter((snapshot) => snapshot.ageUs > policy.keepUs || (chosen !== undefined && !chosen.has(snapshot.name)));
  return { window: to, drop: drop.map(({ name }) => name) };
}

/** The newest snapshot of each of the last so many hours, days … that have one; undefined where nothing is thinned out. */
function chosenByBuckets(snapshots: readonly AgedSnapshot[], policy: Policy): Set<string> | undefined {
  const rules = (Object.keys(BUCKETS_US) as (keyof typeof BUCKETS_US)[]).filter((rule) => policy[rule] > 0);
  if (rules.length === 0) return undefined;
  const youngestFirst = snapshots.toSorted((a, b) => b.takenUs - a.takenUs);
  const chosen = new Set<string>();
  for (const rule of rules) {
    const seen = new Set<number>();
    for (const { name, takenUs } of youngestFirst) {
      const bucket = Math.floor(takenUs / BUCKETS_US[rule]);
      if (seen.has(bucket)) continue;
      if (seen.size >= policy[rule]) break;
      seen.add(bucket);
      chosen.add(name);
    }
  }
  return chosen;
}

/** One step under want of space: the oldest snapshot before the window, else the next tree as its start, never below the guard; undefined where nothing may go. */
export function decideByPressure({ trees, snapshots, window }: Kept, policy: Policy): Verdict | undefined {
  const oldest = snapshots.filter((snapshot) => !snapshot.pinned && snapshot.revision < window).toSorted((a, b) => b.ageUs - a.ageUs)[0];
  if (oldest !== undefined) return { window, drop: [oldest.name] };
  const next = trees.find((tree) => tree.revision > window && tree.ageUs >= policy.guardUs);
  return next === undefined ? undefined : { window: next.revision, drop: [] };
}

/** Whether an automatic snapshot is due. */
export function isSnapshotDue(newestAutomaticUs: number | undefined, nowUs: number, policy: Policy): boolean {
  if (policy.everyUs === 0) return false;
  return newestAutomaticUs === undefined || nowUs - newestAutomaticUs >= policy.everyUs || newestAutomaticUs > nowUs;
}
