/**
 * Moving the window's start (rule 15), in steps that may be stopped anywhere and repeated:
 *
 *   trees for kept snapshots that leave the window  ->  Rebased (the commit point)  ->  note it, move W, drop trees,
 *   truncate, work off what died, clean runs, reclaim
 *
 * The first part needs the events that the last part takes away. What follows the commit point looks only at W, at the kept snapshots
 * and at what is registered, so a crash between any two steps costs nothing: finishRebase begins again. It yields to ingest after each
 * small step. A reader of the stream is waited for, a slow one is ended.
 */
import { isDeepStrictEqual } from "node:util";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Clock, Revision } from "../../core/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { RebasedFact } from "../../projections/index.ts";
import { agesOf, jumpsToKeep } from "./ages.ts";
import type { ClockJump } from "./ages.ts";
import { hostTimeAt } from "./tree-times.ts";
import { noteRebased, rebasedAt, rebasedEvent } from "../machine/index.ts";
import type { Ingest, OpenedMachine, RebasedState } from "../machine/index.ts";
import { barrierOf, READER_MS_MAX, rest, STEP_MS } from "./behind-ingest.ts";

const READER_LOOK_MS = 200;

export interface RebaseProgress {
  readonly phase:
    | "trees"
    | "waiting for readers"
    | "truncating"
    | "dropping"
    | "freeing"
    | "cleaning"
    | "reclaiming"
    | "looking for files"
    | "reading trees"
    | "reading events"
    | "purging";
  readonly doneCount: number;
  readonly allCount: number;
  readonly freedBytes: number;
}

export interface RebaseContext {
  readonly machine: OpenedMachine;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RebaseProgress) => void;
}

/** Revisions of the snapshots that must have trees when the window begins at `window`: those before it. */
export function treesWanted(snapshots: readonly { readonly revision: Revision }[], window: Revision): Revision[] {
  return [...new Set(snapshots.map(({ revision }) => revision).filter((revision) => revision < window))].sort((a, b) => a - b);
}

/** Moves the window's start to `to`, the revision of a registered tree. Older instants are refused from here; true where it moved. */
export async function commitRebase(context: RebaseContext, to: Revision): Promise<boolean> {
  const { machine, signal } = context;
  const { projection, dig } = machine;
  dig.freeing.makeRoom();
  for (;;) {
    if (to <= projection.window()) return false;
    if (dig.trees.seal(to) === undefined) throw new RainbowError("LIMIT", `there is no tree at r${to}: the window begins at one`, { revision: to });
    const wanted = treesWanted(projection.snapshots(), to).filter((revision) => revision >= projection.window());
    for (const [doneCount, revision] of wanted.entries()) {
      if (signal.aborted) return false;
      context.onProgress?.({ phase: "trees", doneCount, allCount: wanted.length, freedBytes: 0 });
      await projection.buildPastTree(revision);
    }
    if (await machine.turns.take(() => appendRebased(context, to))) return true;
  }
}

/** In one turn: every kept snapshot before `to` has its tree, and that is what is appended. False where one was taken meanwhile. */
async function appendRebased({ machine, store }: RebaseContext, to: Revision): Promise<boolean> {
  const { projection, dig } = machine;
  const ingest = await machine.ingest();
  const head = await ingest.settled();
  projection.follow(head);
  await projection.projected(head);
  const before = treesWanted(projection.snapshots(), to);
  const trees = [...before, to].map((revision) => dig.trees.seal(revision));
  if (trees.includes(undefined)) {
    const lost = before.find((revision) => revision < projection.window() && dig.trees.seal(revision) === undefined);
    if (lost === undefined) return false;
    throw new RainbowError("STORE_CORRUPT", `the tree of the snapshot at r${lost} is gone: drop that snapshot`, { revision: lost });
  }
  const state = await stateAt({ machine, store }, ingest, to);
  const appended = await ingest.appendOwn([rebasedEvent(to, { ...state, trees: trees.filter((tree) => tree !== undefined) })], "rebase");
  projection.follow(appended.revision);
  await projection.projected(appended.revision);
  return true;
}

async function stateAt({ machine, store }: Pick<RebaseContext, "machine" | "store">, ingest: Ingest, window: Revision): Promise<Omit<RebasedState, "trees">> {
  const jumps = await jumpsBefore({ machine, store }, window);
  const view = await machine.projection.viewAt(window);
  try {
    const { snapshots, policy, roots, openGaps, nextChunk } = view.facts();
    const { type: _, ...enrolled } = machine.enrolled;
    const { epoch, last } = ingest.machineState;
    return { enrolled, snapshots, policy: policy ?? null, roots, openGaps, nextChunk, epoch, last: last ?? null, ...(jumps.length === 0 ? {} : { jumps }) };
  } finally {
    view.close();
  }
}

/** Jumps of the clock that the window leaves behind with the trees that show them. */
async function jumpsBefore({ machine, store }: Pick<RebaseContext, "machine" | "store">, window: Revision): Promise<ClockJump[]> {
  const { projection, dig, stream } = machine;
  const revisions = [projection.window(), ...dig.trees.list().map(({ revision }) => revision)].filter((each) => each >= projection.window() && each <= window);
  const times = await Promise.all([...new Set(revisions)].map((revision) => hostTimeAt(store, stream, revision)));
  const points = times.filter((us) => us !== undefined);
  const { jumps } = agesOf(points, points.at(-1) ?? 0, 0);
  const oldestTakenUs = Math.min(...projection.snapshots().map(({ takenUs }) => takenUs)); // Infinity where there is none.
  return jumpsToKeep([...(projection.facts().rebased?.jumps ?? []), ...jumps], oldestTakenUs);
}

/** What follows the commit point. Resolves with the bytes that were freed when nothing is left to do, or when `signal` aborts. */
export async function finishRebase(context: RebaseContext): Promise<number> {
  const { machine, store, clock, signal } = context;
  const { projection, dig } = machine;
  const window = projection.window();
  const moved = await soundRebase(context);
  if (moved !== undefined) {
    await noteRebased(store, machine.stream, moved.revision, clock);
    await dig.freeing.moveWindow(window);
    if (!(await readersEnded(context, window))) return 0;
    await store.truncateBefore(machine.stream, Math.min(window, dig.freeing.readFrom()) as Revision);
    await dropTrees(context, window);
  }
  const freedBytes = await workOff(context);
  if (!signal.aborted) await reclaim(context, freedBytes);
  return freedBytes;
}

/**
 * The newest Rebased, with every tree that it names registered. One that landed only after the control file was made anew names trees
 * that were lost with the old file; nothing was taken away for it yet, so they are built again and the event is repeated with these.
 */
export async function soundRebase(context: RebaseContext): Promise<RebasedFact | undefined> {
  const { machine } = context;
  const { projection, dig } = machine;
  const moved = projection.facts().rebased;
  if (moved === undefined || moved.window !== projection.window()) return undefined;
  const { window } = moved;
  const wanted = [...treesWanted(projection.snapshots(), window), window];
  if (await isSound(context, moved)) return moved;
  if ((dig.trees.list().at(-1)?.revision ?? -1) < window) await projection.buildTree();
  for (const revision of wanted) if (revision >= dig.freeing.window()) await projection.buildPastTree(revision);
  if (!(await machine.turns.take(() => appendRebased(context, window)))) return await soundRebase(context);
  return projection.facts().rebased;
}

/** Whether every tree that a Rebased names and that is still wanted is the one that is registered. */
async function isSound({ machine, store }: Pick<RebaseContext, "machine" | "store">, { window, revision: at }: RebasedFact): Promise<boolean> {
  const { projection, dig } = machine;
  const { state } = await rebasedAt(store, machine.stream, at);
  return [...treesWanted(projection.snapshots(), window), window].every((revision) =>
    isDeepStrictEqual(
      dig.trees.seal(revision),
      state.trees.find((tree) => tree.revision === revision),
    ),
  );
}

/**
 * Before a replay: only the trees at and before the window's start stay. A rebase may have been cut off just after its event: then the
 * window begins there, but only where the trees that it names are there, as nothing could make them again once it did. Nobody reads.
 */
export async function discardForReplay({ machine, store }: Pick<RebaseContext, "machine" | "store">): Promise<void> {
  const { projection, dig } = machine;
  const moved = projection.facts().rebased;
  const isMoved = moved !== undefined && moved.window > dig.freeing.window() && (await isSound({ machine, store }, moved));
  await projection.close();
  if (isMoved) await dig.freeing.moveWindow(moved.window);
  await dig.trees.discardAfter(dig.freeing.window());
}

/** Waits until nobody reads the stream before the window; who takes too long is ended. */
async function readersEnded({ machine, clock, signal, onProgress }: RebaseContext, window: Revision): Promise<boolean> {
  const { freeing } = machine.dig;
  const untilUs = clock.monotonicUs() + READER_MS_MAX * 1000;
  while (freeing.readFrom() < window) {
    if (signal.aborted) return false;
    if (clock.monotonicUs() > untilUs) freeing.endHolds(window);
    onProgress?.({ phase: "waiting for readers", doneCount: 0, allCount: 0, freedBytes: 0 });
    await clock.sleep(READER_LOOK_MS, signal);
  }
  return true;
}

/** Trees before the window that no snapshot names. Asked again for each, in a turn: a snapshot may name it now. */
async function dropTrees({ machine, signal, onProgress }: RebaseContext, window: Revision): Promise<void> {
  const { projection, dig } = machine;
  const old = dig.trees.list().filter(({ revision }) => revision < window);
  for (const [doneCount, { revision }] of old.entries()) {
    if (signal.aborted) return;
    await machine.turns.take(async () => {
      const head = await (await machine.ingest()).settled();
      projection.follow(head);
      await projection.projected(head);
      const isNamed = projection.snapshots().some((snapshot) => snapshot.revision === revision);
      if (!isNamed) await dig.freeing.dropTree(revision);
    });
    onProgress?.({ phase: "dropping", doneCount: doneCount + 1, allCount: old.length, freedBytes: 0 });
  }
}

async function workOff({ machine, clock, signal, onProgress }: RebaseContext): Promise<number> {
  const { dig } = machine;
  const ingest = await machine.ingest();
  const barrier = barrierOf(machine, ingest);
  let freedBytes = 0;
  dig.freeing.endIdleReaders(clock.monotonicUs(), READER_MS_MAX * 1000);
  for (let doneCount = 0; !signal.aborted; doneCount++) {
    const step = await dig.freeing.work(barrier, STEP_MS);
    freedBytes += step.freedBytes;
    onProgress?.({ phase: "freeing", doneCount, allCount: 0, freedBytes });
    if (step.done) break;
    await rest(ingest, clock, signal);
  }
  return freedBytes;
}

async function reclaim({ machine, store, clock, signal, onProgress }: RebaseContext, freedBytes: number): Promise<void> {
  const ingest = await machine.ingest();
  for (let doneCount = 0; !signal.aborted; doneCount++) {
    onProgress?.({ phase: "cleaning", doneCount, allCount: 0, freedBytes });
    try {
      if ((await machine.dig.freeing.clean(STEP_MS)).done) break;
    } catch (error) {
      if (!isRainbowError(error, "QUOTA_FULL", "DISK_FULL")) throw error;
      break; // Moving wants room first: the next time.
    }
    await rest(ingest, clock, signal);
  }
  onProgress?.({ phase: "reclaiming", doneCount: 0, allCount: 0, freedBytes });
  if (!signal.aborted) await store.reclaim(signal);
}
