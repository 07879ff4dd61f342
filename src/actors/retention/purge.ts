/**
 * Purging (rule 16): the content of files goes from every instant before now, in steps that may be stopped anywhere and repeated:
 *
 *   find the files that ever lay there  ->  PathPurged (from here on no answer shows them)  ->  read what kept trees and events of the window
 *   still name without them  ->  condemn, wait, free the rest in small steps  ->  note that it is done
 *
 * A file that exists now keeps its present version: the agent would not send it again. So such files are refused, unless their present is
 * meant to stay.
 */
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import type { FreeBarrier, PurgePlan } from "../../dig/index.ts";
import { NODE_RUNS_MAX } from "../../events/index.ts";
import { FilesEverBelow, NeededChunks, placeOfNode, runsOfNodes } from "../../projections/index.ts";
import { barrierOf, READER_MS_MAX, rest, STEP_MS } from "./behind-ingest.ts";
import { soundRebase } from "./rebase.ts";
import type { RebaseContext } from "./rebase.ts";
import { upToDate } from "./snapshots.ts";

const READER_LOOK_MS = 200;
const WAIT_MS_MAX = 3 * READER_MS_MAX; // A restore may read for hours.
const ROUNDS_MAX = 3;
const FILES_MAX = 5_000_000; // In memory, and in events of 30,000 runs each.
const PURGES_MAX = 1000; // Each is asked at every look at a file of the past.
const PATHS_NAMED = 5;

export interface PurgeScope {
  readonly scopes: readonly FilesEverBelow[];
  readonly fileCount: number;
  /** Those that exist now: the first few of their paths. */
  readonly presentPaths: readonly ByteString[];
  readonly presentCount: number;
}

export interface PurgeCarriedOut {
  readonly freedBytes: number;
  /** False where it was stopped, or something must wait for the next tree: the next look goes on. */
  readonly isDone: boolean;
  readonly unmovedRuns: number;
}

/** Which files a purge of these paths concerns. NOT_FOUND where none ever lay there. Takes its turn among rebases. */
export async function scopeOfPurge(context: RebaseContext, paths: readonly ByteString[]): Promise<PurgeScope> {
  const scopes = paths.map((path) => new FilesEverBelow(path));
  await lookOn(context, scopes);
  const none = scopes.find(({ files }) => files.size === 0);
  if (none !== undefined)
    throw new RainbowError("NOT_FOUND", `no file ever lay at '${displayOf(none.path)}' in what is kept: there is nothing to purge`, {
      path: displayOf(none.path),
    });
  return await weighed(context, scopes);
}

/** Makes the purge true: answers of before do not show these files any more. PURGE_REFUSED where some exist now and are not to stay. */
export function commitPurge(context: RebaseContext, { scopes }: PurgeScope, keepPresent: boolean): Promise<Revision> {
  const { machine } = context;
  return machine.turns.take(async () => {
    await upToDate(machine);
    await lookOn(context, scopes); // What came meanwhile.
    const { presentPaths, presentCount, fileCount } = await weighed(context, scopes);
    if (presentCount > 0 && !keepPresent) throw refusal(presentPaths, presentCount);
    if (fileCount > FILES_MAX)
      throw new RainbowError("LIMIT", `${fileCount} files are more than one purge takes (${FILES_MAX}): name folders below`, { fileCount });
    if (machine.projection.purges().count >= PURGES_MAX)
      throw new RainbowError("LIMIT", `${PURGES_MAX} purges hide something that is still kept: wait until the window has passed some`, { count: PURGES_MAX });
    const ingest = await machine.ingest();
    let revision = machine.projection.revision;
    for (const { path, files } of scopes)
      for (const nodes of runsOfNodes(files, NODE_RUNS_MAX)) ({ revision } = await ingest.appendOwn([{ type: "PathPurged", path, nodes }], "purge"));
    machine.projection.follow(revision);
    await machine.projection.projected(revision);
    return revision;
  });
}

/** Frees what no answer reads any more, of all purges that are not worked off yet. Takes its turn among rebases. */
export async function workOffPurges(context: RebaseContext): Promise<PurgeCarriedOut> {
  const { machine, signal } = context;
  const { projection, dig } = machine;
  const total = { freedBytes: 0, isDone: true, unmovedRuns: 0 };
  const purges = projection.purges();
  if (purges.newest <= dig.freeing.purgedUntil()) return total;
  await soundRebase(context); // The trees that are read below may have been lost with a control file.
  for (let round = 0; round < ROUNDS_MAX; round++) {
    dig.freeing.makeRoom();
    await projection.buildTree(); // There what is purged is dead: a replay after a crash finds no count that would be off.
    if (!(await staleReadersEnded(context))) return { ...total, isDone: false };
    const { freedBytes, plan } = await walk(context);
    total.freedBytes += freedBytes;
    total.unmovedRuns += plan?.unmovedRuns ?? 0;
    total.isDone = !signal.aborted && plan?.isBlocked === false;
    if (total.isDone) await dig.freeing.notePurged(purges.newest);
    if (total.isDone || signal.aborted) break;
  }
  return total;
}

async function lookOn(context: RebaseContext, scopes: readonly FilesEverBelow[]): Promise<void> {
  const { machine, onProgress } = context;
  const { projection } = machine;
  const { head } = await projection.span();
  const source = await projection.historySource(head);
  try {
    for (const scope of scopes)
      await scope.advance(source, snapshotsBefore(context), (doneCount, allCount) => {
        if (context.signal.aborted) throw new RainbowError("NOT_RUNNING", "the purge was stopped before it did anything");
        onProgress?.({ phase: "looking for files", doneCount, allCount, freedBytes: 0 });
      });
  } finally {
    source.hold.release();
  }
}

function snapshotsBefore({ machine: { projection } }: RebaseContext): Revision[] {
  const window = projection.window();
  return [...new Set(projection.snapshots().map(({ revision }) => revision))].filter((revision) => revision < window);
}

async function weighed({ machine }: RebaseContext, scopes: readonly FilesEverBelow[]): Promise<PurgeScope> {
  const files = new Set<NodeId>(scopes.flatMap((scope) => [...scope.files]));
  const presentPaths: ByteString[] = [];
  let [presentCount, count] = [0, 0];
  const view = machine.projection.viewNow();
  try {
    for (const file of files) {
      if (view.node(file) !== undefined) {
        presentCount += 1;
        if (presentPaths.length < PATHS_NAMED) presentPaths.push(placeOfNode(view, file));
      }
      if (++count % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    view.close();
  }
  return { scopes, fileCount: files.size, presentPaths, presentCount };
}

function refusal(paths: readonly ByteString[], count: number): RainbowError {
  const named = paths.map((path) => `'${displayOf(path)}'`).join(", ") + (count > paths.length ? " and others" : "");
  const what = count === 1 ? "1 of these files exists now" : `${count} of these files exist now`;
  return new RainbowError(
    "PURGE_REFUSED",
    `${what}: ${named}. What exists would be stored again: delete it or leave it out ('rainbow add DIR --exclude PATTERN'), or purge its past alone with --keep-current`,
    { count, paths: paths.map(displayOf) },
  );
}

/** Waits for readers of instants that are not kept any more: what they read is in no tree that is looked at. */
async function staleReadersEnded(context: RebaseContext): Promise<boolean> {
  const { machine, clock, signal, onProgress } = context;
  const { projection, dig } = machine;
  const old = new Set(snapshotsBefore(context));
  const untilUs = clock.monotonicUs() + WAIT_MS_MAX * 1000;
  const isStale = (revision: Revision): boolean => revision < projection.window() && !old.has(revision);
  while (dig.freeing.readersAt().some(isStale)) {
    if (signal.aborted || clock.monotonicUs() > untilUs) return false; // The next look goes on.
    dig.freeing.endIdleReaders(clock.monotonicUs(), READER_MS_MAX * 1000);
    onProgress?.({ phase: "waiting for readers", doneCount: 0, allCount: 0, freedBytes: 0 });
    await clock.sleep(READER_LOOK_MS, signal);
  }
  return true;
}

async function walk(context: RebaseContext): Promise<{ readonly freedBytes: number; readonly plan: PurgePlan | undefined }> {
  const { machine, clock, signal, onProgress } = context;
  const { projection, dig } = machine;
  const ingest = await machine.ingest();
  const needed = await neededChunks(context, await ingest.settled());
  if (needed === undefined) return { freedBytes: 0, plan: undefined };
  const below = projection.nextChunk();
  const plan: PurgePlan = { next: 0 as PurgePlan["next"], below, isNeeded: (chunk) => needed.chunks.has(chunk), isBlocked: false, unmovedRuns: 0 };
  const barrier = barrierOf(machine, ingest);
  const withEvents: FreeBarrier = {
    ...barrier,
    projected: async (revision) => {
      await barrier.projected(revision);
      await needed.addEvents(revision); // A decided batch may have named what was condemned.
    },
  };
  let freedBytes = 0;
  while (!signal.aborted) {
    const step = await dig.freeing.purge(plan, withEvents, STEP_MS);
    freedBytes += step.freedBytes;
    onProgress?.({ phase: "purging", doneCount: Math.min(plan.next, below), allCount: below, freedBytes });
    if (step.done) break;
    await rest(ingest, clock, signal);
  }
  return { freedBytes, plan };
}

/** undefined where it was stopped. */
async function neededChunks(context: RebaseContext, head: Revision): Promise<NeededChunks | undefined> {
  const { machine, store, signal, onProgress } = context;
  const { projection, dig, stream } = machine;
  projection.follow(head);
  await projection.projected(head);
  const window = projection.window();
  const needed = new NeededChunks({ store, stream, purges: projection.purges(), window, viewAt: (revision) => projection.viewAt(revision) });
  const trees = window === 0 ? [] : [...snapshotsBefore(context), window];
  for (const [doneCount, revision] of trees.entries()) {
    if (signal.aborted) return undefined;
    onProgress?.({ phase: "reading trees", doneCount, allCount: trees.length, freedBytes: 0 });
    const reader = dig.trees.open(revision);
    if (reader?.info.revision === revision) await needed.addTree(reader);
    reader?.close();
    if (reader?.info.revision !== revision && revision === window)
      throw new RainbowError("STORE_CORRUPT", `the tree at r${window}, where the window begins, is gone: run \`rainbow repair\``, { window });
  }
  await needed.addPresent();
  await needed.addEvents(head, (at) => onProgress?.({ phase: "reading events", doneCount: at - window, allCount: head - window, freedBytes: 0 }));
  return needed;
}
