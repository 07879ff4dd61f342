/**
 * Carries a policy out: looks at what is kept and how old it is, takes the snapshot that is due, drops and moves the window as decided,
 * and works off what follows. Each look begins from what is durable; nothing is remembered but host times of trees.
 */
import { isRainbowError } from "../../core/index.ts";
import type { Clock, Revision } from "../../core/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { OpenedMachine } from "../machine/index.ts";
import { agesOf, countedUs } from "./ages.ts";
import type { ClockJump } from "./ages.ts";
import { decideByAge, decideByPressure, isSnapshotDue } from "./decide.ts";
import type { AgedSnapshot, Kept, Verdict } from "./decide.ts";
import { DAY_US, policyOf } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { workOffPurges } from "./purge.ts";
import { commitRebase, finishRebase } from "./rebase.ts";
import type { RebaseContext } from "./rebase.ts";
import { dropSnapshot, takeSnapshot } from "./snapshots.ts";
import { hostTimeAt } from "./tree-times.ts";

const AUTOMATIC = "auto-";
const NEARLY_FULL = 0.95; // Of the quota: from here on old things go early.
const ROOMY = 0.9;
const MARK_EVERY_US = DAY_US; // Steps of ages are at most a little longer.
const PRESSURE_STEPS_MAX = 100; // In one look; the next goes on.
const FREE_SHARE_OF_QUOTA = 0.25;
const REFUSED_SHARE_OF_FREE = 0.5; // New data is refused later than old things begin to go.

export interface KeeperOptions {
  readonly machine: () => OpenedMachine;
  readonly store: () => EventStore;
  readonly clock: Clock;
  /** Free bytes of the data file's disk. */
  readonly freeBytes: () => number;
  /** Its stream may rest for days while the host runs, so that no tree tells that time went by. */
  readonly marksTime?: boolean;
}

/** What is kept just now, and what the policy says of it. */
export interface Outlook {
  readonly policy: Policy;
  readonly kept: Kept;
  readonly jumps: readonly ClockJump[];
}

export interface KeeperReport {
  readonly jumps: readonly ClockJump[];
  /** Space is wanted, and nothing more may go. */
  readonly isFull: boolean;
  readonly freedBytes: number;
}

export class Keeper {
  private readonly options: KeeperOptions;
  private readonly hostTimes = new Map<Revision, number>();
  /** Something may be left to do of a rebase that was cut off. */
  private isPending = true;
  private markedAtUs: number;

  constructor(options: KeeperOptions) {
    this.options = options;
    this.markedAtUs = options.clock.monotonicUs();
  }

  policy(): Policy {
    return policyOf(this.options.machine().projection.facts().policy);
  }

  /** `aheadUs`: as if so much time had passed. */
  async outlook(aheadUs = 0): Promise<Outlook> {
    const { projection, dig } = this.options.machine();
    const policy = this.policy();
    const window = projection.window();
    const trees = dig.trees.list().filter(({ revision }) => revision >= window);
    const points = await this.treeTimes();
    const { ages, jumps } = agesOf(points, this.options.clock.now(), policy.acceptedUs);
    const aged = trees.map(({ revision }, i) => ({ revision, ageUs: ages[i]! + aheadUs }));
    const leftBehind = projection.facts().rebased?.jumps ?? [];
    const snapshots = projection.snapshots().map((snapshot): AgedSnapshot => {
      const takenAt = snapshot.takenAt ?? snapshot.revision;
      const at = trees.findIndex(({ revision }) => revision >= takenAt); // Younger than every tree: no age yet.
      const before = takenAt < window ? countedUs(snapshot.takenUs, points[0] ?? snapshot.takenUs, leftBehind, policy.acceptedUs) : 0;
      return { ...snapshot, ageUs: (ages[at] ?? 0) + aheadUs + before };
    });
    return { policy, kept: { trees: aged, snapshots, window }, jumps };
  }

  /** Host times of the window's trees, oldest first: at least one a day while the host runs. */
  async treeTimes(): Promise<number[]> {
    const { projection, dig } = this.options.machine();
    const trees = dig.trees.list().filter(({ revision }) => revision >= projection.window());
    return await Promise.all(trees.map(({ revision }) => this.hostTimeOf(revision)));
  }

  /** One look. Progress goes to `context`; stopped by its signal, the next look goes on. */
  async look(context: RebaseContext): Promise<KeeperReport> {
    const { machine, signal } = context;
    if (this.policy().quotaBytes > 0) machine.dig.setQuota(this.policy().quotaBytes);
    machine.dig.setLeftFree(this.wantedFreeBytes(this.policy()) * REFUSED_SHARE_OF_FREE);
    await this.takeIfDue();
    if (this.options.marksTime === true) await this.markIfDue();
    const { policy, kept, jumps } = await this.outlook();
    let freedBytes = await this.carryOut(context, decideByAge(kept, policy));
    freedBytes += (await workOffPurges(context)).freedBytes;
    let isFull = false;
    for (let i = 0; i < PRESSURE_STEPS_MAX && !signal.aborted && this.isPressed(policy, i > 0); i++) {
      const verdict = decideByPressure((await this.outlook()).kept, policy);
      isFull = verdict === undefined;
      if (verdict === undefined) break;
      freedBytes += await this.carryOut(context, verdict);
    }
    return { jumps, isFull, freedBytes };
  }

  private async carryOut(context: RebaseContext, { window, drop }: Verdict): Promise<number> {
    for (const name of drop) await this.dropIfThere(context, name);
    const isMoved = await commitRebase(context, window);
    this.isPending ||= isMoved || drop.length > 0;
    if (!this.isPending) return 0;
    const freedBytes = await finishRebase(context);
    this.isPending = context.signal.aborted;
    return freedBytes;
  }

  /** People drop snapshots too: what one of them dropped meanwhile is what was wanted. */
  private async dropIfThere({ machine }: RebaseContext, name: string): Promise<void> {
    try {
      await dropSnapshot(machine, name);
    } catch (error) {
      if (!isRainbowError(error, "NOT_FOUND")) throw error;
    }
  }

  /** Space runs out: of the quota, or on the disk. Once begun it goes on until there is some room. */
  private isPressed(policy: Policy, isGoingOn: boolean): boolean {
    const { allocatedBytes, quotaBytes } = this.options.machine().dig.usage();
    return allocatedBytes > quotaBytes * (isGoingOn ? ROOMY : NEARLY_FULL) || this.options.freeBytes() < this.wantedFreeBytes(policy);
  }

  private wantedFreeBytes({ freeBytes }: Policy): number {
    return Math.min(freeBytes, this.options.machine().dig.usage().quotaBytes * FREE_SHARE_OF_QUOTA);
  }

  private async takeIfDue(): Promise<void> {
    const { machine, clock } = this.options;
    const { projection } = machine();
    const nowUs = clock.now();
    const newest = projection.snapshots().findLast(({ name }) => name.startsWith(AUTOMATIC));
    if (!isSnapshotDue(newest?.takenUs, nowUs, this.policy())) return;
    const name = `${AUTOMATIC}${new Date(nowUs / 1000).toISOString().slice(0, 19).replaceAll(":", "-")}`;
    if (projection.snapshots().some((snapshot) => snapshot.name === name)) return;
    const revision = projection.revision;
    await takeSnapshot(machine(), { name, revision, atUs: await projection.timeOf(revision), pinned: false });
  }

  /**
   * Ages are counted from tree to tree. Where nothing was recorded for a day one is built all the same, after an event that says no more
   * than that somebody was there; without it the days between two syncs would be taken for a jump of the clock.
   */
  private async markIfDue(): Promise<void> {
    const machine = this.options.machine();
    const { projection, dig } = machine;
    const { clock } = this.options;
    const newest = dig.trees.list().at(-1)?.revision ?? (0 as Revision);
    const sinceUs = clock.now() - (await this.hostTimeOf(newest));
    const isDue = sinceUs >= MARK_EVERY_US || (sinceUs < 0 && clock.monotonicUs() - this.markedAtUs >= MARK_EVERY_US);
    if (!isDue) return;
    this.markedAtUs = clock.monotonicUs();
    try {
      dig.freeing.makeRoom();
      if (projection.revision <= newest) await mark(machine, clock);
      await projection.buildTree();
    } catch (error) {
      if (!isRainbowError(error, "DISK_FULL", "QUOTA_FULL")) throw error; // What follows gives room; the next look tries it again.
    }
  }

  /** Host time of the batch that ends at a revision of the window. */
  private async hostTimeOf(revision: Revision): Promise<number> {
    const known = this.hostTimes.get(revision);
    if (known !== undefined) return known;
    const { stream } = this.options.machine();
    const us = (await hostTimeAt(this.options.store(), stream, revision)) ?? this.options.clock.now(); // Gone: young, so nothing hastens.
    this.hostTimes.set(revision, us);
    return us;
  }
}

async function mark({ projection, ingest }: OpenedMachine, clock: Clock): Promise<void> {
  const { revision } = await (await ingest()).appendOwn([{ type: "CaughtUp", agentTimeUs: clock.now() }], "mark");
  projection.follow(revision);
  await projection.projected(revision);
}
