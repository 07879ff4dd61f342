/** What is kept, and for how long: snapshots and the window's start. */
import {
  commitPurge,
  commitRebase,
  DAY_US,
  decideByAge,
  dropSnapshot,
  finishRebase,
  POLICY_WORDS,
  scopeOfPurge,
  takeSnapshot,
  withWords,
  workOffPurges,
} from "../../actors/retention/index.ts";
import type { Keeper, RebaseContext } from "../../actors/retention/index.ts";
import type { OpenedMachine } from "../../actors/machine/index.ts";
import { isDeepStrictEqual } from "node:util";
import { RainbowError } from "../../core/index.ts";
import type { Revision, TimeUs } from "../../core/index.ts";
import { normalised } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { resolveInstant } from "./instants.ts";
import { isOfMirror } from "./owners.ts";
import { ProgressQueue, whileWorking } from "./progress.ts";
import { flush } from "./protecting.ts";
import type {
  InstantWords,
  OfMirror,
  Operations,
  PolicyAnswer,
  ProgressItem,
  PurgedItem,
  PurgePlanItem,
  RebasedItem,
  RetentionAnswer,
  SnapshotEntry,
} from "./types.ts";

const NAME_BYTES_MAX = 200;

export function retaining(
  context: OperationsContext,
): Pick<Operations, "snapshot" | "snapshots" | "dropSnapshot" | "rebase" | "policy" | "setPolicy" | "retention" | "purge"> {
  return {
    snapshot: (request) => snapshot(context, request),
    snapshots: async (request = {}) => (await keptOf(context, request)).opened.projection.snapshots().map(entryOf),
    dropSnapshot: async (request) => dropSnapshot((await keptOf(context, request)).opened, request.name),
    policy: async (request = {}) => policyAnswer(await keptOf(context, request)),
    setPolicy: (request) => setPolicy(context, request),
    retention: async (request) => simulate(await keptOf(context, request), request.days),
    rebase: (request, signal) => rebase(context, request, signal),
    purge: (request, signal) => purge(context, request, signal),
  };
}

/** A history with who carries its policy out. */
interface Kept {
  readonly opened: OpenedMachine;
  readonly keeper: Keeper;
}

/** NOT_FOUND where there is no mirror of that name. */
async function keptOf({ host, mirrors }: OperationsContext, { mirror }: OfMirror): Promise<Kept> {
  if (mirror === undefined) return { opened: host.opened(), keeper: host.keeper };
  const found = await mirrors.named(mirror);
  return { opened: found.machine, keeper: await mirrors.keeperOf(found) };
}

async function snapshot(context: OperationsContext, request: Parameters<Operations["snapshot"]>[0]): Promise<SnapshotEntry> {
  const name = checkedName(request.name);
  if (context.capture !== undefined && request.mirror === undefined && request.at.kind === "now") await flush(context, false);
  const { opened } = await keptOf(context, request);
  const { revision, asOf } = await resolveInstant(opened, request.at);
  const taken = { name, revision, atUs: asOf.timeUs as TimeUs, pinned: request.pinned };
  await takeSnapshot(opened, taken);
  return entryOf(taken);
}

function checkedName(name: string): string {
  if (name === "" || Buffer.byteLength(name) > NAME_BYTES_MAX || /[\p{Cc}/@]/u.test(name)) {
    throw new RainbowError("USAGE", `'${name}' cannot name a snapshot: 1 to ${NAME_BYTES_MAX} bytes without '/', '@' and control characters`, { name });
  }
  return name;
}

function entryOf(snapshot: { readonly name: string; readonly revision: Revision; readonly atUs: TimeUs; readonly pinned: boolean }): SnapshotEntry {
  const { name, revision, atUs, pinned } = snapshot;
  return { name, revision, timeUs: atUs, pinned };
}

/** Gives up every instant before `to` that no snapshot keeps, then what only they needed. Stopped, the next rebase goes on. */
async function* rebase(
  context: OperationsContext,
  { to, ...of }: OfMirror & { readonly to: InstantWords | undefined },
  signal?: AbortSignal,
): AsyncGenerator<ProgressItem | RebasedItem> {
  const { clock } = context;
  const { opened, keeper } = await keptOf(context, of);
  const revision = to === undefined ? undefined : (await resolveInstant(opened, to)).revision;
  const queue = new ProgressQueue();
  const rebaseContext = rebaseContextOf(context, opened, queue, signal);
  const work = opened.rebasing.take(async () => {
    if (revision === undefined) return (await keeper.look(rebaseContext)).freedBytes;
    await treeAt(opened, revision);
    await commitRebase(rebaseContext, revision);
    return await finishRebase(rebaseContext);
  });
  const freedBytes = yield* whileWorking(clock, work, queue);
  const window = opened.projection.window();
  yield { type: "rebased", windowRevision: window, windowTimeUs: await opened.projection.timeOf(window), freedBytes };
}

function rebaseContextOf({ host, clock }: OperationsContext, machine: OpenedMachine, queue: ProgressQueue, signal: AbortSignal | undefined): RebaseContext {
  return {
    machine,
    store: host.eventStore,
    clock,
    signal: signal === undefined ? host.stopSignal : AbortSignal.any([signal, host.stopSignal]),
    onProgress: ({ phase, doneCount, allCount, freedBytes }) => queue.put({ phase, doneCount, allCount, doneBytes: freedBytes }),
  };
}

/** Stopped before its event it did nothing; stopped after it, the next look of a running `up`, or the next purge, goes on. */
async function* purge(
  context: OperationsContext,
  { paths, keepPresent, dryRun }: Parameters<Operations["purge"]>[0],
  signal?: AbortSignal,
): AsyncGenerator<ProgressItem | PurgePlanItem | PurgedItem> {
  const { host, capture, clock } = context;
  if (paths.length === 0) throw new RainbowError("USAGE", "purge what? Name a path");
  if (paths.some(isOfMirror)) throw new RainbowError("UNSUPPORTED", "the content of a mirror lies in its object store: purge it there", {});
  if (capture !== undefined) await flush(context, false); // What was deleted a moment ago does not exist any more.
  const opened = host.opened();
  const queue = new ProgressQueue();
  const purgeContext = rebaseContextOf(context, opened, queue, signal);
  const scope = yield* whileWorking(
    clock,
    opened.rebasing.take(() => scopeOfPurge(purgeContext, paths.map(normalised))),
    queue,
  );
  const { fileCount, presentCount, presentPaths } = scope;
  yield { type: "purge-plan", paths: scope.scopes.map(({ path, files }) => ({ path, fileCount: files.size })), fileCount, presentCount, presentPaths };
  if (dryRun || purgeContext.signal.aborted) return;
  const work = opened.rebasing.take(async () => {
    const revision = await commitPurge(purgeContext, scope, keepPresent);
    return { revision, ...(await workOffPurges(purgeContext)) };
  });
  const { revision, freedBytes, isDone, unmovedRuns } = yield* whileWorking(clock, work, queue);
  yield { type: "purged", revision, fileCount, freedBytes, isFinished: isDone, unmovedRuns };
}

/** The window begins at a tree. One before the window is not made: it does not move back. */
async function treeAt({ projection, dig }: OpenedMachine, revision: Revision): Promise<void> {
  if (revision <= projection.window()) return;
  dig.freeing.makeRoom();
  if ((dig.trees.list().at(-1)?.revision ?? -1) < revision) await projection.buildTree();
  await projection.buildPastTree(revision);
}

async function policyAnswer({ keeper }: Kept): Promise<PolicyAnswer> {
  const { policy, jumps } = await keeper.outlook();
  return { values: Object.fromEntries(Object.entries(POLICY_WORDS).map(([word, { field }]) => [word, policy[field]])), jumps };
}

async function setPolicy(context: OperationsContext, { words, acceptTime, ...of }: Parameters<Operations["setPolicy"]>[0]): Promise<PolicyAnswer> {
  const kept = await keptOf(context, of);
  const { opened, keeper } = kept;
  const before = keeper.policy();
  const policy = withWords(before, words);
  const next = acceptTime ? { ...policy, acceptedUs: context.clock.now() } : policy;
  if (isDeepStrictEqual(next, before)) return await policyAnswer(kept); // As at each start with a configuration file.
  await opened.turns.take(async () => {
    const { revision } = await (await opened.ingest()).appendOwn([{ type: "PolicySet", policy: { ...next } }], "policy");
    opened.projection.follow(revision);
    await opened.projection.projected(revision);
  });
  return await policyAnswer(kept);
}

async function simulate(of: Kept, days: number): Promise<RetentionAnswer> {
  const { projection, dig } = of.opened;
  const { policy, kept } = await of.keeper.outlook(days * DAY_US);
  const { window, drop } = decideByAge(kept, policy);
  const stays = kept.snapshots.filter(({ name }) => !drop.includes(name));
  const old = stays.filter(({ revision }) => revision < window).map(({ revision }) => revision);
  return {
    ...(await policyAnswer(of)),
    windowRevision: kept.window,
    windowTimeUs: await projection.timeOf(kept.window),
    nextWindowRevision: window,
    nextWindowTimeUs: await projection.timeOf(window),
    lostRevisions: window - kept.window,
    lostBytes: await dig.freeing.estimate(window, old),
    dropped: drop,
    kept: stays.map(({ name }) => name),
  };
}
