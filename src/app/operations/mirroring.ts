/** Mirrors: defining and changing them, their syncs, and the care for their file lists. */
import { checkFiles, forgetPaths, reconcileIntents, recoverFiles, writeLateAttributes, writeLateDigests } from "../../actors/mirror-files/index.ts";
import type { CareProgress, CheckedItem, OpenedMirror, RecoveredItem, ScrubbedItem } from "../../actors/mirror-files/index.ts";
import type { SyncOutcome, SyncPhase, SyncProgress, SyncWatcher } from "../../actors/mirror/index.ts";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import { parseSource, scrubbed, settingsOf, settingsOfWords, syncEvents, syncHistory, targetOf, Told } from "../mirroring/index.ts";
import type { OperationsContext } from "./context.ts";
import type {
  MirrorAddRequest,
  MirrorEntry,
  MirrorFaultItem,
  MirrorLogItem,
  MirrorOperations,
  MirrorProgress,
  MirrorProgressItem,
  MirrorSettings,
  MirrorStatus,
  MirrorSummary,
  MirrorSyncItem,
  MirrorSyncRequest,
  MirrorWords,
} from "./mirror-types.ts";
import type { ByteString } from "./imports.ts";
import { readable } from "./events.ts";
import { tellingWhile, withProgress } from "./progress.ts";

const LATE_PAGE = 1000;

export function mirroring(context: OperationsContext): MirrorOperations {
  const { mirrors, runner } = context;
  return {
    mirrorAdd: (request) => add(context, request),
    mirrorSet: async ({ name, words, acceptsTarget }) => change(context, await mirrors.named(name), words, acceptsTarget),
    mirrorRemove: async ({ name }) => {
      const mirror = await mirrors.named(name);
      await runner.forget(mirror);
      await mirrors.remove(mirror);
    },
    mirrors: async () => (await mirrors.all()).map(entryOf),
    mirrorStatus: async ({ names }) => Promise.all((await chosen(context, names)).map((mirror) => statusOf(context, mirror))),
    mirrorSync: (request, signal) => sync(context, request, signal),
    mirrorTrigger: async ({ name }) => {
      const mirror = await mirrors.named(name);
      if (context.capture === undefined)
        throw new RainbowError("NOT_RUNNING", `no Rainbow runs here that could sync '${name}': 'rainbow mirror sync ${name}' does it in the foreground`, {
          name,
        });
      await runner.trigger(mirror);
    },
    mirrorLog: ({ name, maxCount }, signal) => log(context, name, maxCount, signal),
    mirrorCheck: (request, signal) => check(context, request, signal),
    mirrorScrub: ({ name }, signal) => scrub(context, name, signal),
    mirrorRecover: ({ name }, signal) => recover(context, name, signal),
    mirrorSettle: async ({ name }) => {
      const mirror = await mirrors.named(name);
      return runner.alone(mirror, nobodyIsTold, () => settle(context, mirror));
    },
    mirrorForget: async ({ name, paths }) => {
      const mirror = await mirrors.named(name);
      await runner.alone(mirror, nobodyIsTold, async () => await forgetPaths(await mirror.files(), paths));
    },
  };
}

const nobodyIsTold = (): void => undefined;

function entryOf(mirror: OpenedMirror): MirrorEntry {
  const { label, source, target, options } = mirror.definition();
  return { name: label, source, target, settings: settingsOf(options) };
}

async function chosen({ mirrors }: OperationsContext, names: readonly string[]): Promise<OpenedMirror[]> {
  if (names.length === 0) return await mirrors.all();
  return await Promise.all(names.map((name) => mirrors.named(name)));
}

async function add({ mirrors, runner }: OperationsContext, request: MirrorAddRequest): Promise<MirrorEntry> {
  const source = parseSource(request.source);
  if (source.module === "")
    throw new RainbowError("USAGE", `'${source.url}' names no module: 'rainbow mirror list-only ${source.url}' shows those of the server`);
  const target = targetOf(request.target, source.module);
  const settings = settingsOfWords(request.words);
  const definition = { label: request.name ?? source.module, source: source.url, target, options: settings as Readonly<Record<string, unknown>> };
  for (const other of await mirrors.all()) {
    const { label, target: taken } = other.definition();
    if (overlaps(taken, target))
      throw new RainbowError("USAGE", `${target} and ${taken} of the mirror '${label}' lie inside of each other: two mirrors would delete one another's files`);
  }
  mirrors.checkName(definition.label);
  await mirrors.makeTarget(definition);
  const mirror = await mirrors.add({ ...definition, options: { ...settings, ...identified(mirrors.identityOf(target)) } });
  await runner.adopt(mirror);
  return entryOf(mirror);
}

function identified(targetIdentity: string | undefined): Pick<MirrorSettings, "targetIdentity"> {
  return targetIdentity === undefined ? {} : { targetIdentity };
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** Takes effect at once: its life begins anew. */
async function change({ mirrors, runner }: OperationsContext, mirror: OpenedMirror, words: MirrorWords, acceptsTarget: boolean): Promise<MirrorEntry> {
  const definition = mirror.definition();
  const given = settingsOfWords(words);
  const identity = acceptsTarget ? identified(mirrors.identityOf(definition.target)) : {};
  const options = { ...settingsOf(definition.options), ...given, ...identity } as Readonly<Record<string, unknown>>;
  await runner.forget(mirror);
  if (given.versioning === true) await mirrors.makeTarget({ ...definition, options });
  await mirror.redefine({ ...definition, options });
  await mirrors.forgetObjects(mirror); // They may be reached otherwise now.
  await runner.adopt(mirror);
  return entryOf(mirror);
}

async function statusOf({ host, runner }: OperationsContext, mirror: OpenedMirror): Promise<MirrorStatus> {
  const history = await syncHistory(host.eventStore, mirror.machine.stream);
  const { finished, failure, isOpen, heldSinceUs, lastStartedUs, lastUpdatedUs, lastEndedUs } = history;
  const { projection } = mirror.machine;
  const life = await runner.status(mirror);
  return {
    ...entryOf(mirror),
    ...life,
    progress: life.progress === undefined ? undefined : syncProgress(life.phase, life.progress),
    windowRevision: projection.window(),
    windowTimeUs: await projection.timeOf(projection.window()),
    lastStartedUs,
    lastUpdatedUs,
    lastEndedUs,
    entryCount: finished?.entryCount ?? 0,
    sizeBytes: finished?.totalBytes ?? 0,
    queuedCount: finished?.queuedCount ?? 0,
    heldBecause: finished?.heldBecause ?? "",
    heldBy: finished?.heldBy ?? ("" as ByteString),
    heldSinceUs,
    failure: isOpen && life.state === "waiting" ? "it was cut off: its process ended" : failure,
  };
}

/** All at once; each tells of itself, and one that fails does not keep the others. */
async function* sync(context: OperationsContext, request: MirrorSyncRequest, signal: AbortSignal | undefined): AsyncGenerator<MirrorSyncItem> {
  const all = await chosen(context, request.names);
  if (all.length === 0) throw new RainbowError("NOT_FOUND", "there is no mirror yet: 'rainbow mirror add SOURCE TARGET' defines one");
  const settings = settingsOfWords(request.words);
  const told = new Told<MirrorSyncItem>();
  const ended = Promise.all(all.map((mirror) => syncOne(context, mirror, { ...request, settings }, told)));
  void ended.finally(() => told.end());
  yield* told.read(signal);
  if (signal?.aborted === true) return;
  yield* await ended;
}

async function syncOne(
  { runner, clock }: OperationsContext,
  mirror: OpenedMirror,
  request: Pick<MirrorSyncRequest, "dryRun" | "showsEach" | "password"> & { readonly settings: MirrorSettings },
  told: Told<MirrorSyncItem>,
): Promise<MirrorSyncItem> {
  const name = mirror.definition().label;
  const { settings, dryRun, showsEach, password } = request;
  let untoldCount = 0;
  let progress: (() => SyncProgress) | undefined;
  let startedUs = clock.monotonicUs();
  let phaseNow = "";
  const watcher: SyncWatcher = {
    started: (asked) => {
      progress = asked;
      startedUs = clock.monotonicUs();
    },
    phase: (phase) => {
      phaseNow = phase;
      told.tell({ type: "mirror-phase", name, phase });
    },
    message: (text) => told.tell({ type: "mirror-message", name, text }),
    item: ({ path, what, why }) => {
      if (showsEach || what === "failed" || what === "lost") untoldCount += told.tell({ type: "mirror-item", name, path, what, why }) ? 0 : 1;
    },
  };
  try {
    const outcome = await tellingWhile(clock, runner.sync(mirror, { settings, dryRun, password, watcher }), () => {
      if (progress !== undefined) told.tell({ type: "mirror-progress", name, ...syncProgress(phaseNow, progress()) });
    });
    const seconds = (clock.monotonicUs() - startedUs) / 1e6;
    if (untoldCount > 0) told.tell({ type: "mirror-untold", name, count: untoldCount });
    return syncedItem(name, outcome, seconds);
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    return { type: "mirror-failed", name, code: error.code, message: error.message };
  }
}

function syncProgress(phase: string, { entryCount, wantedCount, wantedBytes, comeCount, comeBytes, receivedBytes, isListed }: SyncProgress): MirrorProgress {
  const isHere = isListed && wantedCount > 0 && comeCount === wantedCount; // What came is on its way into the target.
  const common = { phase: phase === "fetching" && isHere ? "storing" : phase, listedCount: entryCount, receivedBytes, isGrowing: !isListed };
  return { ...common, doneCount: comeCount, allCount: wantedCount, doneBytes: comeBytes, allBytes: wantedBytes };
}

function syncedItem(name: string, { counts, isUnchanged, ioError, heldBecause, heldBy, queuedCount }: SyncOutcome, seconds: number): MirrorSyncItem {
  const { sameCount: _same, comeCount: _count, comeBytes: _bytes, ...told } = counts;
  return { type: "mirror-synced", name, ...told, seconds, isUnchanged, ioError, heldBecause, heldBy, queuedCount };
}

async function* log({ mirrors, host }: OperationsContext, name: string, maxCount: number, signal: AbortSignal | undefined): AsyncGenerator<MirrorLogItem> {
  const { stream } = (await mirrors.named(name)).machine;
  let count = 0;
  for await (const { event, revision, metadata } of syncEvents(host.eventStore, stream)) {
    if (signal?.aborted === true || count++ >= maxCount) return;
    const { type, ...data } = event;
    yield { type: "mirror-log", revision, timeUs: metadata.hostTimeUs, event: type as MirrorLogItem["event"], data: readable(data) as MirrorLogItem["data"] };
  }
}

async function* check(
  context: OperationsContext,
  { name, readData, mends }: { readonly name: string; readonly readData: boolean; readonly mends: boolean },
  signal: AbortSignal | undefined,
): AsyncGenerator<MirrorProgressItem | MirrorFaultItem | MirrorSummary> {
  const { mirrors, runner, digests, clock } = context;
  const mirror = await mirrors.named(name);
  const progress = { nameCount: 0, readBytes: 0 };
  const work = async function* (): AsyncGenerator<CheckedItem> {
    const options = { readsData: readData, mends, digests, progress, ...(signal === undefined ? {} : { signal }) };
    const [files, objects] = [await mirror.files(), await mirrors.objectsOf(mirror)];
    await reconcileIntents(files, objects, signal);
    yield* checkFiles(files, objects, options);
  };
  const stepOf = await careSteps(context, mirror, { phase: "checking", progress, readsAll: readData });
  for await (const item of withProgress(clock, alone(runner, mirror, work), stepOf))
    yield item.type === "summary" ? summaryOf(item) : item.type === "fault" ? { ...item, type: "mirror-fault" } : item;
}

async function* scrub(
  { mirrors, runner, digests, clock }: OperationsContext,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<MirrorProgressItem | MirrorFaultItem | MirrorSummary> {
  const mirror = await mirrors.named(name);
  const progress = { nameCount: 0, readBytes: 0 };
  let allCount = 0;
  const work = async function* (): AsyncGenerator<ScrubbedItem> {
    const [files, store] = [await mirror.files(), await mirrors.objectsOf(mirror)];
    await reconcileIntents(files, store, signal); // What a killed sync stored may have its claim, and no fact yet.
    allCount = files.claims.count;
    yield* scrubbed({ files, store, digests: await digests(), signal, progress });
  };
  const stepOf = (): MirrorProgressItem => {
    const { nameCount: doneCount, readBytes: doneBytes } = progress;
    return {
      type: "mirror-progress",
      name,
      phase: "scrubbing",
      doneCount,
      allCount,
      doneBytes,
      allBytes: 0,
      listedCount: 0,
      receivedBytes: 0,
      isGrowing: false,
    };
  };
  for await (const item of withProgress(clock, alone(runner, mirror, work, "scrubbing"), stepOf))
    yield item.type === "summary" ? summaryOf(item) : item.type === "fault" ? { ...item, type: "mirror-fault" } : item;
}

async function* recover(
  context: OperationsContext,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<MirrorProgressItem | MirrorFaultItem | MirrorSummary> {
  const { mirrors, runner, clock } = context;
  const mirror = await mirrors.named(name);
  const progress = { nameCount: 0, readBytes: 0 };
  const work = async function* (): AsyncGenerator<RecoveredItem> {
    const [files, objects] = [await mirror.files(), await mirrors.objectsOf(mirror)];
    await reconcileIntents(files, objects, signal);
    yield* recoverFiles(files, objects, signal, progress);
  };
  const stepOf = await careSteps(context, mirror, { phase: "recovering", progress, readsAll: false });
  for await (const item of withProgress(clock, alone(runner, mirror, work), stepOf)) {
    if (item.type === "recovered") yield { type: "mirror-fault", path: item.path, what: item.what, detail: "" };
    else yield item.type === "summary" ? summaryOf(item) : item;
  }
}

/** How far such work is, of what the last sync that reached its end found; a list that is longer has no known end. */
async function careSteps(
  { host }: OperationsContext,
  mirror: OpenedMirror,
  { phase, progress, readsAll }: { readonly phase: string; readonly progress: CareProgress; readonly readsAll: boolean },
): Promise<() => MirrorProgressItem> {
  const { finished } = await syncHistory(host.eventStore, mirror.machine.stream);
  const [nameCount, bytes] = [finished?.entryCount ?? 0, readsAll ? (finished?.totalBytes ?? 0) : 0];
  const name = mirror.definition().label;
  return () => {
    const { nameCount: doneCount, readBytes: doneBytes } = progress;
    const totals = { allCount: doneCount > nameCount ? 0 : nameCount, allBytes: doneBytes > bytes ? 0 : bytes };
    return { type: "mirror-progress", name, phase, doneCount, doneBytes, ...totals, listedCount: 0, receivedBytes: 0, isGrowing: false };
  };
}

function summaryOf(report: { readonly type: "summary" } & object): MirrorSummary {
  const { type, ...counts } = report;
  return { type, counts: counts as Record<string, number> };
}

/** All of them. What cannot be written now is passed over. */
async function settle({ mirrors }: OperationsContext, mirror: OpenedMirror): Promise<number> {
  const [files, objects] = [await mirror.files(), await mirrors.objectsOf(mirror)];
  let count = 0;
  let late = files.lateAttributes.some("" as ByteString, LATE_PAGE);
  for (; late.length > 0; late = files.lateAttributes.some(late.at(-1)!.path, LATE_PAGE)) count += await writeLateAttributes(files, objects, late);
  late = files.lateDigests.some("" as ByteString, LATE_PAGE);
  for (; late.length > 0; late = files.lateDigests.some(late.at(-1)!.path, LATE_PAGE)) count += await writeLateDigests(files, objects, late);
  return count;
}

/** No sync runs beside it. It holds the turn until it is read to its end, or left. */
async function* alone<Item>(
  runner: OperationsContext["runner"],
  mirror: OpenedMirror,
  work: () => AsyncGenerator<Item>,
  phase: SyncPhase | "" = "",
): AsyncGenerator<Item> {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const turn = runner.alone(
    mirror,
    nobodyIsTold,
    async () => {
      begin();
      await left;
    },
    phase,
  );
  try {
    await Promise.race([begun, turn]);
    yield* work();
  } finally {
    leave();
    await turn;
  }
}
