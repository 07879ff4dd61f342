/**
 * The proof that the stored history is whole, for every chained stream of a store. Each is walked; beside the chain itself it is held
 * against what others know of it: the head that a person kept elsewhere, what a Rebased or an audit recorded before it let the
 * beginning go, and the audit, whose entries name how far the machine's stream was then.
 */
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import { chainHashAt, decodeAudit, readStoredBatches, walkChain } from "../../events/index.ts";
import type { Anchor, EventStore, StreamInfo, WalkReport } from "../../events/index.ts";
import { newestRebased } from "../machine/index.ts";
import { entriesBackwards } from "./entries.ts";
import type { Head, Heads } from "./heads.ts";
import { auditStreamOf } from "./retention.ts";

const AUDIT = auditStreamOf("");
const MACHINE = "machine-";
const MIRROR = "mirror-";
/** In the order in which they are walked: an audit that is whole can be believed about machines. Notes of a rebase keep their last event alone. */
const CHAINED = [AUDIT, MACHINE, MIRROR, "rebased-"] as const;
const HEADED: readonly string[] = [MACHINE, AUDIT, MIRROR];
/** Those whose beginning a Rebased lets go. */
const REBASED: readonly string[] = [MACHINE, MIRROR];

export interface StreamVerified extends Pick<WalkReport, "start" | "revision" | "batchCount" | "eventCount" | "provenCount"> {
  readonly type: "verified";
  readonly stream: string;
  /** In hex. */
  readonly chainHash: string;
}
/** The first break of a stream. */
export interface StreamBroken {
  readonly type: "broken";
  readonly stream: string;
  readonly revision: number;
  readonly why: string;
}
/** A head that nothing that is kept can prove or refute. */
export interface HeadUnproven {
  readonly type: "unproven";
  readonly head: string;
  readonly why: string;
}
export interface WalkStep {
  readonly type: "step";
  readonly stream: string;
  readonly doneEvents: number;
  readonly allEvents: number;
}
export type VerifyItem = StreamVerified | StreamBroken | HeadUnproven | WalkStep;

export interface VerifyOptions {
  /** UUID: only streams of this machine, on a store that others share. */
  readonly machine?: string | undefined;
  readonly heads?: Heads;
  readonly signal?: AbortSignal;
}

export async function* verifyHistory(
  store: EventStore,
  { heads = { heads: [], hashes: [] }, machine, signal }: VerifyOptions = {},
): AsyncGenerator<VerifyItem> {
  const streams = await chainedStreams(store, machine);
  const allEvents = streams.reduce((sum, { headRevision, truncatedBefore }) => sum + headRevision - truncatedBefore + 1, 0);
  const missing = new Set(heads.hashes);
  const broken = new Set<string>();
  let doneBefore = 0;
  for (const { stream } of streams) {
    const own = heads.heads.filter((head) => head.stream === stream);
    const audit = streams.find((info) => info.stream === auditStreamOf(stream.slice(MACHINE.length)) && !broken.has(info.stream));
    const info = await store.info(stream); // As it is now: the audit, which was looked at before, knows of nothing newer.
    for await (const item of verifyStream(store, info, { heads: own, sought: missing, audit })) {
      if (signal?.aborted === true) return;
      if (item.type === "broken") broken.add(stream);
      if (item.type === "found") missing.delete(item.hash);
      else yield item.type === "step" ? { ...item, doneEvents: doneBefore + item.doneEvents, allEvents } : item;
    }
    doneBefore += info.headRevision - info.truncatedBefore + 1;
  }
  yield* lost(streams, heads.heads);
  for (const hash of missing)
    yield { type: "broken", stream: "", revision: -1, why: `no stream has the hash ${hash}: history is another one, or what it stood for was let go` };
}

/** Where each stream ends, for people to keep elsewhere. */
export async function headsOf(store: EventStore, machine?: string): Promise<Head[]> {
  const streams = (await chainedStreams(store, machine)).filter(({ stream }) => HEADED.some((prefix) => stream.startsWith(prefix)));
  return await Promise.all(
    streams.map(async ({ stream, headRevision }) => ({
      stream,
      revision: headRevision,
      chainHash: (await chainHashAt(store, stream, headRevision)).toString("hex"),
    })),
  );
}

async function chainedStreams(store: EventStore, machine: string | undefined): Promise<StreamInfo[]> {
  const all = await Promise.all(CHAINED.map((prefix) => store.streams(prefix)));
  return all.flat().filter(({ stream, deleted, headRevision }) => !deleted && headRevision >= 0 && (machine === undefined || stream.endsWith(`-${machine}`)));
}

function* lost(streams: readonly StreamInfo[], heads: readonly Head[]): IterableIterator<StreamBroken> {
  for (const { stream, revision } of heads)
    if (!streams.some((info) => info.stream === stream))
      yield { type: "broken", stream, revision, why: "the head that was kept is of this stream, and it is gone" };
}

interface StreamOptions {
  readonly heads: readonly Head[];
  readonly sought: ReadonlySet<string>;
  /** The audit of this machine, where it is whole. */
  readonly audit: StreamInfo | undefined;
}

type StreamItem = VerifyItem | { readonly type: "found"; readonly hash: string };

async function* verifyStream(store: EventStore, info: StreamInfo, options: StreamOptions): AsyncGenerator<StreamItem> {
  const { stream } = info;
  try {
    const starts = await startsOf(store, info);
    const kept = options.heads.map(({ revision, chainHash }): Anchor => ({ revision, chainHash, source: "the head that was kept" }));
    const fixed = [...starts, ...kept].sort((a, b) => a.revision - b.revision);
    const { audit } = options;
    const witnesses = audit !== undefined && stream.startsWith(MACHINE) ? witnessesOf(store, audit, machineOf(stream)) : undefined;
    const walk = walkChain(store, info, { anchors: ascending(fixed, witnesses), sought: options.sought });
    let step = await walk.next();
    for (; step.done !== true; step = await walk.next()) yield { type: "step", stream, doneEvents: step.value - info.truncatedBefore + 1, allEvents: 0 };
    const { start, revision, chainHash, batchCount, eventCount, provenCount, unproven, found } = step.value;
    refuseUnknownStart(info, start, starts);
    yield { type: "verified", stream, start, revision, chainHash: chainHash.toString("hex"), batchCount, eventCount, provenCount };
    for (const hash of found) yield { type: "found", hash };
    for (const anchor of unproven.filter((each) => kept.includes(each)))
      yield {
        type: "unproven",
        head: `${stream}@${anchor.revision}`,
        why: `what is kept begins after r${start.revision}: nothing can prove an older head; keep a newer one`,
      };
  } catch (error) {
    if (!isRainbowError(error, "EVENT_CORRUPT", "STORE_CORRUPT", "NEWER_FORMAT")) throw error;
    const { revision, why } = error.facts;
    yield { type: "broken", stream, revision: typeof revision === "number" ? revision : -1, why: typeof why === "string" ? why : error.message };
  }
}

function machineOf(stream: string): string {
  return stream.slice(MACHINE.length);
}

/** What was recorded of the beginning when events before it were let go. */
async function startsOf(store: EventStore, { stream, truncatedBefore }: StreamInfo): Promise<Anchor[]> {
  if (truncatedBefore === 0) return [];
  if (!stream.startsWith(AUDIT)) {
    const rebased = REBASED.some((prefix) => stream.startsWith(prefix)) ? await newestRebased(store, stream) : undefined;
    const trees = rebased?.state.trees ?? [];
    return trees.map(({ revision, chainHash }) => ({ revision, chainHash, source: `the event that moved the window's start to r${rebased?.window}` }));
  }
  for await (const page of entriesBackwards(store, stream, -1 as Revision))
    for (const { event, revision } of page)
      if (event.type === "EntriesDropped")
        return [{ revision: (event.before - 1) as Revision, chainHash: event.chainHash, source: `r${revision}, which let older entries go` }];
  return [];
}

/** A beginning that was let go is recorded, by the machine's Rebased or the audit itself; what lies before the window goes with it. */
function refuseUnknownStart({ stream, truncatedBefore }: StreamInfo, start: WalkReport["start"], starts: readonly Anchor[]): void {
  const mustKnow = truncatedBefore > 0 && HEADED.some((prefix) => stream.startsWith(prefix));
  if (!mustKnow || starts.some(({ revision }) => revision >= start.revision)) return;
  const why = `the stream begins after it, and nothing recorded says why: its beginning was removed`;
  throw new RainbowError("EVENT_CORRUPT", `stream '${stream}': ${why}`, { stream, revision: start.revision + 1, why });
}

/** How far the machine's stream was at each entry of the audit. */
async function* witnessesOf(store: EventStore, { stream, truncatedBefore, headRevision }: StreamInfo, machine: string): AsyncGenerator<Anchor> {
  let last = -1;
  for await (const batch of readStoredBatches(store, stream, truncatedBefore, headRevision)) {
    for (const stored of batch.stored) {
      const { event } = decodeAudit(stored);
      if (event.type !== "ActionNoted" || event.machine !== machine || event.witness.revision === last || event.witness.chainHash === "") continue;
      last = event.witness.revision;
      yield { ...event.witness, source: `entry r${stored.revision} of the audit` };
    }
  }
}

async function* ascending(fixed: readonly Anchor[], others: AsyncIterable<Anchor> = nothing()): AsyncGenerator<Anchor> {
  let i = 0;
  for await (const other of others) {
    while (i < fixed.length && fixed[i]!.revision <= other.revision) yield fixed[i++]!;
    yield other;
  }
  yield* fixed.slice(i);
}

async function* nothing(): AsyncGenerator<never> {
  yield* [];
}
