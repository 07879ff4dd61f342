/**
 * Who wrote, read, restored and changed what, and when: the audit's own stream and the machine's, in one answer. Writes are the machine's
 * facts; who asked for something is the audit's. Newest first; with `follow` the newest of before in order, and then what comes.
 */
import { entriesBackwards } from "../../actors/audit/index.ts";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { ByteString, Revision, TimeUs } from "../../core/index.ts";
import { ACTIONS, decodeEvent, NO_STREAM } from "../../events/index.ts";
import type { AuditEvent, MachineEvent, MachineEventType, Recorded } from "../../events/index.ts";
import { activityOf, logOfPath, resolvePath } from "../../projections/index.ts";
import type { Activity, DigTreeProjection, Version } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { plainData } from "./events.ts";
import type { AuditItem, AuditKind, AuditRequest, Operations } from "./types.ts";

const FOLLOW_MS = 1000;
const FOLLOWED_ITEMS_MAX = 10_000; // Of one look; a copy of a large folder may have more.

/** What facts of the machine are called; other types are no news to an audit. */
const FACTS: { readonly [Type in MachineEventType]?: AuditKind } = {
  MachineEnrolled: "enrol",
  HostOpened: "start",
  RootProtected: "protect",
  RootReleased: "release",
  PolicySet: "policy",
  SnapshotTaken: "snapshot",
  SnapshotDropped: "drop",
  PathPurged: "purge",
  Rebased: "rebase",
  GapOpened: "gap",
  GapClosed: "gap",
};
const KINDS: ReadonlySet<string> = new Set([...ACTIONS, ...Object.values(FACTS), "write", "audit", "refused"]);

export function auditing(context: OperationsContext): Pick<Operations, "audit"> {
  return { audit: (request, signal) => audit(context, request, signal) };
}

async function* audit(context: OperationsContext, request: AuditRequest, signal?: AbortSignal): AsyncGenerator<AuditItem> {
  refuseUnknown(context, request);
  if (request.follow) return yield* follow(context, request, signal);
  let left = request.maxCount;
  for await (const item of itemsNewestFirst(context, request, EVERYTHING)) {
    if (signal?.aborted === true) return;
    yield item;
    left -= 1;
    if (left <= 0) return;
  }
}

function refuseUnknown({ machine, label }: OperationsContext, request: AuditRequest): void {
  const unknown = request.what.find((kind) => !KINDS.has(kind));
  if (unknown !== undefined)
    throw new RainbowError("USAGE", `'${unknown}' is nothing that an audit has: there are ${[...KINDS].join(", ")}`, { kind: unknown });
  const named = request.machine;
  if (named === undefined || named === machine || named === label) return;
  throw new RainbowError("NOT_FOUND", `machine '${named}' is not kept here: this data directory has ${label} (${machine})`, { machine: named });
}

/** Behind which revisions to look, of the machine's stream and of the audit's. */
interface Since {
  readonly machine: Revision;
  readonly audit: Revision;
}
const EVERYTHING: Since = { machine: NO_STREAM, audit: NO_STREAM };

/** An item, or a mark: nothing newer than its time follows from where it came. */
interface Timed {
  readonly timeUs: number;
  readonly item?: AuditItem;
}

async function* itemsNewestFirst(context: OperationsContext, request: AuditRequest, since: Since): AsyncGenerator<AuditItem> {
  const sources = [entries(context, request, since), ...(await recorded(context, request, since))];
  for await (const item of merged(sources)) if (isAsked(request, item)) yield item;
}

/** In the order of time, newest first; each source keeps its own order where clocks went back. */
async function* merged(sources: readonly AsyncGenerator<Timed>[]): AsyncGenerator<AuditItem> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, next: await source.next() })));
  try {
    for (;;) {
      const newest = heads
        .filter(({ next }) => next.done !== true)
        .reduce((a, b) => (a === undefined || b.next.value.timeUs > a.next.value.timeUs ? b : a), undefined as (typeof heads)[number] | undefined);
      if (newest === undefined) return;
      const { item } = newest.next.value as Timed;
      if (item !== undefined) yield item;
      newest.next = await newest.source.next();
    }
  } finally {
    for (const { source } of heads) await source.return(undefined);
  }
}

function isAsked({ sinceUs, untilUs, who, what }: AuditRequest, item: AuditItem): boolean {
  if (sinceUs !== undefined && item.timeUs < sinceUs) return false;
  if (untilUs !== undefined && item.timeUs > untilUs) return false;
  if (what.length > 0 && !what.includes(item.kind) && !(item.result === "refused" && what.includes("refused"))) return false;
  return who === undefined || isBy(item, who);
}

/** Of these paths, of what lies below them, or of a folder that they lie in. */
function touches(item: AuditItem, paths: readonly ByteString[]): boolean {
  return paths.length === 0 || item.paths.some((path) => paths.some((wanted) => isBelow(path, wanted) || isBelow(wanted, path)));
}

function isBy({ who, processes }: AuditItem, name: string): boolean {
  if (processes.some((process) => process.name === name || String(process.pid) === name)) return true;
  return who !== undefined && (who.user === name || String(who.uid) === name || String(who.loginUid) === name);
}

function isBelow(path: ByteString, folder: ByteString): boolean {
  return path === folder || folder === "/" || path.startsWith(`${folder}/`);
}

// What was asked for.

async function* entries({ host }: OperationsContext, { paths, sinceUs, what }: AuditRequest, since: Since): AsyncGenerator<Timed> {
  const isOfUse = what.length === 0 || what.some((kind) => kind === "refused" || kind === "audit" || (ACTIONS as readonly string[]).includes(kind));
  if (!isOfUse) return;
  let newest = Number.POSITIVE_INFINITY;
  for await (const page of entriesBackwards(host.eventStore, host.trail.stream, since.audit)) {
    for (const entry of page) {
      const item = itemOfEntry(entry);
      newest = Math.min(newest, entry.metadata.hostTimeUs);
      yield touches(item, paths) ? { timeUs: item.timeUs, item } : { timeUs: item.timeUs };
    }
    if (sinceUs !== undefined && newest < sinceUs) return;
  }
}

function itemOfEntry({ event, revision }: Recorded<AuditEvent>): AuditItem {
  const plain = { type: "audit", source: "asked", revision, processes: [], paths: [], result: "done", code: "", asOfRevision: undefined } as const;
  if (event.type === "EntriesLost") {
    const detail = `${event.count} entries were lost, as they could not be stored: ${event.why}`;
    return { ...plain, timeUs: event.untilUs, kind: "audit", who: undefined, result: "failed", detail };
  }
  if (event.type === "EntriesDropped") {
    return {
      ...plain,
      timeUs: event.untilUs,
      kind: "audit",
      who: undefined,
      detail: `entries before r${event.before} were let go, as the policy keeps them no longer`,
    };
  }
  const { action, operation, uid, user, loginUid, pid, paths, result, code, detail, atUs } = event;
  const asOfRevision = event.revision < 0 ? undefined : event.revision;
  return { ...plain, timeUs: atUs, kind: action, operation, who: { uid, user, loginUid, pid }, paths, result, code, detail, asOfRevision };
}

// What the machine's stream has.

async function recorded(context: OperationsContext, request: AuditRequest, since: Since): Promise<AsyncGenerator<Timed>[]> {
  const { what } = request;
  const facts = new Set(
    Object.entries(FACTS)
      .filter(([, kind]) => what.length === 0 || what.includes(kind))
      .map(([type]) => type as MachineEventType),
  );
  const isWithFiles = what.length === 0 || what.includes("write");
  if (!isWithFiles && facts.size === 0) return [];
  const { projection } = context.host.opened();
  const files = isWithFiles && since === EVERYTHING ? await onlyFiles(projection, request.paths) : undefined;
  if (files !== undefined) return files.map((path) => versions(projection, path));
  return [activity(context, request, { since, facts, isWithFiles })];
}

/** The paths, where all of them name files now: then their history is found as `log` finds it. */
async function onlyFiles(projection: DigTreeProjection, paths: readonly ByteString[]): Promise<readonly ByteString[] | undefined> {
  if (paths.length === 0) return undefined;
  const view = await projection.viewAt((await projection.span()).head);
  try {
    return paths.every((path) => resolvePath(view, path).kind !== "directory") ? paths : undefined;
  } catch (error) {
    if (isRainbowError(error, "NOT_FOUND", "NOT_PROTECTED")) return undefined;
    throw error;
  } finally {
    view.close();
  }
}

async function* versions(projection: DigTreeProjection, path: ByteString): AsyncGenerator<Timed> {
  for await (const version of logOfPath(projection, path, (await projection.span()).head)) yield { timeUs: version.timeUs, item: itemOfFile(version) };
}

async function* activity(
  { host }: OperationsContext,
  { paths, sinceUs, untilUs }: AuditRequest,
  { since, facts, isWithFiles }: { readonly since: Since; readonly facts: ReadonlySet<MachineEventType>; readonly isWithFiles: boolean },
): AsyncGenerator<Timed> {
  const { projection, stream } = host.opened();
  const { head } = await projection.span();
  const to = untilUs === undefined ? head : await revisionAt(projection, untilUs, "last");
  const after = sinceUs === undefined ? since.machine : (Math.max(since.machine, await revisionAt(projection, sinceUs - 1, "first")) as Revision);
  if (to <= after) return;
  const source = await projection.historySource(untilUs === undefined ? to : await ownEventsAfter(host.eventStore, stream, to, head));
  try {
    const isWanted = (path: ByteString): boolean => paths.length === 0 || paths.some((wanted) => isBelow(path, wanted));
    for await (const each of activityOf(source, { after, facts, ...(isWithFiles ? { isWanted } : {}) })) yield timedOf(each, paths);
  } finally {
    source.hold.release();
  }
}

/** The revision before everything of a time, or the last that may be of it; -1 where the time lies before all that is kept. */
async function revisionAt(projection: DigTreeProjection, us: number, which: "first" | "last"): Promise<Revision> {
  try {
    const { revision, others } = await projection.resolveTime(us as TimeUs);
    return which === "last" ? revision : (Math.min(revision, ...others) as Revision);
  } catch (error) {
    if (isRainbowError(error, "INSTANT_OUTSIDE")) return NO_STREAM;
    throw error;
  }
}

/** The end of the host's own batches that follow an agent's: they have no time of an agent, and may be of the time asked for. */
async function ownEventsAfter(store: OperationsContext["host"]["eventStore"], stream: string, revision: Revision, head: Revision): Promise<Revision> {
  for (let end = revision; ;) {
    const page = end >= head ? [] : await store.read(stream, { from: (end + 1) as Revision, maxCount: 100, withoutPositions: true });
    if (page.length === 0) return end;
    for (const stored of page) {
      if (decodeEvent(stored).metadata.epoch !== 0) return end;
      end = stored.revision;
    }
  }
}

function timedOf(each: Activity, paths: readonly ByteString[]): Timed {
  const { timeUs } = each;
  if (each.type === "mark") return { timeUs };
  if (each.type === "file") return { timeUs, item: itemOfFile(each) };
  const item = itemOfFact(each);
  return touches(item, paths) ? { timeUs, item } : { timeUs };
}

const RECORDED = { type: "audit", source: "recorded", who: undefined, result: "done", code: "", asOfRevision: undefined } as const;

function itemOfFile({ revision, timeUs, path, changes, origins }: Version): AuditItem {
  return { ...RECORDED, timeUs, kind: "write", revision, processes: origins, paths: [path], detail: changes.join(", ") };
}

function itemOfFact({ revision, timeUs, event }: { readonly revision: Revision; readonly timeUs: TimeUs; readonly event: MachineEvent }): AuditItem {
  const { type, ...data } = event;
  const paths = type === "RootProtected" ? [event.path] : type === "PathPurged" ? [event.path as ByteString] : [];
  return { ...RECORDED, timeUs, kind: FACTS[type] ?? "start", revision, processes: [], paths, detail: factText(type, plainData(data)) };
}

/** Rebased carries the state of a whole machine: its number is enough. */
function factText(type: MachineEventType, data: Record<string, unknown>): string {
  const { state: _, ...said } = data;
  return `${type} ${JSON.stringify(type === "Rebased" ? said : data)}`;
}

// As it happens.

async function* follow(context: OperationsContext, request: AuditRequest, signal: AbortSignal | undefined): AsyncGenerator<AuditItem> {
  const { host, clock } = context;
  let known = await ends(context);
  yield* await newest(context, request, { since: EVERYTHING, until: known, countMax: request.maxCount });
  while (signal?.aborted !== true && !host.stopSignal.aborted) {
    await clock.sleep(FOLLOW_MS, signal);
    const now = await ends(context);
    if (now.machine === known.machine && now.audit === known.audit) continue;
    const items = await newest(context, request, { since: known, until: now, countMax: FOLLOWED_ITEMS_MAX });
    if (items.length === FOLLOWED_ITEMS_MAX) yield tooMany(items[0]!);
    yield* items;
    known = now;
  }
}

function tooMany({ timeUs, revision }: AuditItem): AuditItem {
  const detail = `more than ${FOLLOWED_ITEMS_MAX} things happened at once, and the first of them are not shown here: 'rainbow audit --until' lists them`;
  return { ...RECORDED, timeUs, kind: "audit", revision, processes: [], paths: [], detail };
}

async function ends({ host }: OperationsContext): Promise<Since> {
  const { stream } = host.opened();
  const [machine, trail] = await Promise.all([host.eventStore.info(stream), host.eventStore.info(host.trail.stream)]);
  return { machine: machine.headRevision, audit: trail.headRevision };
}

interface Stretch {
  readonly since: Since;
  readonly until: Since;
  readonly countMax: number;
}

/** The newest of a stretch, oldest first. */
async function newest(context: OperationsContext, request: AuditRequest, { since, until, countMax }: Stretch): Promise<AuditItem[]> {
  const items: AuditItem[] = [];
  for await (const item of itemsNewestFirst(context, request, since)) {
    if (item.revision > (item.source === "asked" ? until.audit : until.machine)) continue; // It has come meanwhile: the next look shows it.
    items.push(item);
    if (items.length >= countMax) break;
  }
  return items.toReversed();
}
