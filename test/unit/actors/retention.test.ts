/** What a policy lets go: pure decisions. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { countedUs, jumpsToKeep } from "../../../src/actors/retention/ages.ts";
import {
  agesOf,
  DAY_US,
  decideByAge,
  decideByPressure,
  decideSnapshot,
  DEFAULT_POLICY,
  isSnapshotDue,
  policyOf,
  withWords,
} from "../../../src/actors/retention/index.ts";
import type { AgedSnapshot, AgedTree, Kept } from "../../../src/actors/retention/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { Revision, TimeUs } from "../../../src/core/index.ts";

const NOW_US = 20_000 * DAY_US;
const tree = (revision: number, days: number): AgedTree => ({ revision: revision as Revision, ageUs: days * DAY_US });
const snapshot = (name: string, revision: number, days: number, pinned = false): AgedSnapshot => ({
  name,
  pinned,
  ...tree(revision, days),
  takenUs: NOW_US - days * DAY_US,
});
const kept = (trees: readonly AgedTree[], snapshots: readonly AgedSnapshot[] = [], window = 0): Kept => ({ trees, snapshots, window: window as Revision });
const policy = (...words: string[]) => withWords(DEFAULT_POLICY, words);

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isRainbowError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "none";
}

const test = suite("what a policy lets go");

test("the window begins at the newest tree that is old enough, and never moves back", () => {
  const trees = [tree(10, 40), tree(20, 31), tree(30, 29), tree(40, 1)];
  assert.is(decideByAge(kept(trees), DEFAULT_POLICY).window, 20);
  assert.is(decideByAge(kept(trees, [], 30), DEFAULT_POLICY).window, 30);
  assert.is(decideByAge(kept([tree(40, 1)]), DEFAULT_POLICY).window, 0);
});

test("snapshots older than keep go, pinned ones and those of the window stay", () => {
  const snapshots = [snapshot("ancient", 5, 100), snapshot("pinned", 6, 100, true), snapshot("young", 35, 20)];
  assert.equal(decideByAge(kept([tree(20, 31), tree(40, 1)], snapshots), DEFAULT_POLICY), { window: 20, drop: ["ancient"] });
});

test("thinning keeps the newest of each of the last days, and what it keeps stays kept as time passes", () => {
  const set = policy("keep=1y", "window=1d", "daily=3");
  let snapshots: AgedSnapshot[] = [];
  for (let hour = 0; hour < 24 * 10; hour++) {
    const takenUs = NOW_US + (hour * DAY_US) / 24;
    snapshots = [...snapshots, { name: `h${hour}`, pinned: false, revision: hour as Revision, ageUs: 0, takenUs }];
    const aged = snapshots.map((each) => ({ ...each, ageUs: takenUs - each.takenUs }));
    const trees = aged.map(({ revision, ageUs }) => ({ revision, ageUs }));
    const { drop } = decideByAge(kept(trees, aged), set);
    snapshots = snapshots.filter(({ name }) => !drop.includes(name));
  }
  const old = snapshots.filter(({ takenUs }) => takenUs < NOW_US + 9 * DAY_US - DAY_US / 24);
  assert.equal(
    old.map(({ name }) => name),
    ["h191", "h215"].filter((name) => old.some((each) => each.name === name)),
  );
  assert.ok(
    snapshots.some(({ name }) => name === "h191"),
    "the day before yesterday has its last hour",
  );
});

test("want of space takes the oldest snapshot first, then shortens the window, never below the guard and never a pinned one", () => {
  const trees = [tree(20, 30), tree(30, 8), tree(40, 6)];
  const snapshots = [snapshot("pinned", 4, 90, true), snapshot("old", 5, 80), snapshot("older", 3, 85), snapshot("in window", 25, 20)];
  assert.equal(decideByPressure(kept(trees, snapshots, 20), DEFAULT_POLICY), { window: 20, drop: ["older"] });
  assert.equal(decideByPressure(kept(trees, [snapshots[0]!], 20), DEFAULT_POLICY), { window: 30, drop: [] });
  assert.is(decideByPressure(kept(trees, [snapshots[0]!], 30), DEFAULT_POLICY), undefined);
});

test("a jump of the clock of more than a day counts for nothing until it is accepted", () => {
  const points = [0, 20, 40].map((hours) => NOW_US + (hours * DAY_US) / 24);
  const later = NOW_US + 4000 * DAY_US;
  const { ages, jumps } = agesOf(points, later, 0);
  assert.equal(ages, [(40 * DAY_US) / 24, (20 * DAY_US) / 24, 0]);
  assert.equal(jumps, [{ fromUs: points[2], toUs: later }]);
  assert.is(agesOf(points, later, later).ages[2], later - points[2]!);
  assert.equal(agesOf([later, NOW_US], NOW_US + 1, 0).ages, [1, 1], "a clock that went back makes nothing older or younger");
});

test("between two times jumps count for nothing, neither those that only the window's past shows, unless they were accepted", () => {
  const [taken, now] = [NOW_US, NOW_US + 4000 * DAY_US];
  const jumps = [{ fromUs: NOW_US + DAY_US, toUs: NOW_US + 3990 * DAY_US }];
  assert.is(countedUs(taken, now, [], 0), 4000 * DAY_US);
  assert.is(countedUs(taken, now, jumps, 0), 11 * DAY_US);
  assert.is(countedUs(taken, now, jumps, now), 4000 * DAY_US);
  assert.is(countedUs(now - DAY_US, now, jumps, 0), DAY_US, "it was taken after the jump");
  assert.is(countedUs(now, taken, jumps, 0), 0, "a clock that went back");
});

test("jumps are remembered as long as a snapshot from before them is kept, and too many become one", () => {
  const jumps = Array.from({ length: 1200 }, (_, i) => ({ fromUs: i * 100, toUs: i * 100 + 50 }));
  const kept = jumpsToKeep(jumps, 0);
  assert.is(kept.length, 1000);
  assert.equal(kept[0], { fromUs: 0, toUs: 200 * 100 + 50 });
  assert.equal(kept.at(-1), jumps.at(-1));
  assert.equal(jumpsToKeep(jumps, 1199 * 100), [jumps[1199]]);
});

test("a snapshot is due after its time, and not where none are wanted", () => {
  assert.is(isSnapshotDue(undefined, NOW_US, DEFAULT_POLICY), false);
  assert.is(isSnapshotDue(undefined, NOW_US, policy("every=1h")), true);
  assert.is(isSnapshotDue(NOW_US - DAY_US / 48, NOW_US, policy("every=1h")), false);
  assert.is(isSnapshotDue(NOW_US - DAY_US / 24, NOW_US, policy("every=1h")), true);
});

test("a snapshot has a new name, and an instant that is kept", () => {
  const known = [{ name: "a", revision: 3 as Revision, atUs: 0 as TimeUs, takenUs: 0 as TimeUs, pinned: false }];
  const taken =
    (name: string, revision: number): (() => unknown) =>
    () =>
      decideSnapshot(known, 10 as Revision, { name, revision: revision as Revision, atUs: 0 as TimeUs, pinned: false });
  assert.match(refusal(taken("a", 12)), /^USAGE: a snapshot 'a' exists already/);
  assert.match(refusal(taken("b", 9)), /^INSTANT_OUTSIDE: r9 is not kept any more: the first instant is r10/);
  assert.is(refusal(taken("b", 3)), "none");
  assert.is(refusal(taken("b", 10)), "none");
});

test("a policy is read as people write it, and refused where it cannot be", () => {
  assert.is(policy("keep=90d", "window=2w").windowUs, 14 * DAY_US);
  assert.is(policy("keep=10d").windowUs, 10 * DAY_US, "the window is at most as long");
  assert.is(policy("quota=200G").quotaBytes, 200 * 2 ** 30);
  assert.match(
    refusal(() => policy("keep=5x")),
    /'keep=5x' cannot be a policy: it takes a time/,
  );
  assert.match(
    refusal(() => policy("window=40d")),
    /the window is at most as long as snapshots are kept/,
  );
  assert.match(
    refusal(() => policy("forever")),
    /known are every, keep/,
  );
  assert.equal(policyOf({ keepUs: "x", daily: 7, other: 1 }), { ...DEFAULT_POLICY, daily: 7 });
});

test.run();
