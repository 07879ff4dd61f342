/**
 * Moves the history of a data directory to another store: every stream, with its ids and revisions. It can be broken off at any time and
 * goes on where it was; in the end both are read and compared event by event. The stores themselves stay as they are: nothing is switched.
 */
import { RainbowError } from "../core/index.ts";
import type { Clock, Random, Revision } from "../core/index.ts";
import { NO_STREAM } from "../events/index.ts";
import type { EventStore, NewEvent, StoredEvent, StreamInfo } from "../events/index.ts";
import { openDataDirectory } from "./data-directory.ts";
import { EMBEDDED, rememberedEvents } from "./events-choice.ts";
import { openAt, shown } from "./open-events.ts";
import { chooseOs } from "./os/index.ts";

const PAGE_EVENTS = 2000;
const APPEND_BYTES = 512 << 10; // Well below what a server takes in one append.
const PLACEHOLDER_TYPE = "Truncated"; // Takes the number of an event that was truncated before the copy; truncated at once as well.

export interface CopyRequest {
  readonly dataDirectory: string;
  /** "embedded" or an address. */
  readonly from: string;
  readonly to: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export interface CopiedStream {
  readonly type: "copied" | "verified";
  readonly stream: string;
  readonly eventCount: number;
  readonly headRevision: number;
}

/** One item per stream when it is copied, and one when it is verified. NO_STORE, REVISION_CONFLICT where the target has another history. */
export async function* copyEvents(request: CopyRequest): AsyncGenerator<CopiedStream> {
  if (request.from === request.to) throw new RainbowError("USAGE", "events copy: --from and --to are the same store");
  const { dataDirectory, clock, random, signal } = request;
  const { os } = chooseOs();
  const directory = openDataDirectory({ path: dataDirectory, create: false, forWriting: true, os, clock, random });
  try {
    const from = await openAt(directory, request.from, false);
    try {
      const isReturn = request.to === EMBEDDED && (rememberedEvents(dataDirectory) ?? EMBEDDED) !== EMBEDDED;
      const to = await openAt(directory, request.to, isReturn);
      try {
        yield* copyAll(from, to, signal, shown(request.to));
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
  } finally {
    directory.close();
  }
}

async function* copyAll(from: EventStore, to: EventStore, signal: AbortSignal, place: string): AsyncGenerator<CopiedStream> {
  const streams = (await from.streams("")).filter((info) => !info.deleted);
  for (const info of streams) yield await copyStream(from, to, { info, signal, place });
  for (const info of streams) yield await verifyStream(from, to, info);
}

interface Copying {
  readonly info: StreamInfo;
  readonly signal: AbortSignal;
  readonly place: string;
  readonly onCopied?: (doneEvents: number, allEvents: number) => void;
}

/** Up to the info's head, which may lie before the stream's own. */
export async function copyStream(from: EventStore, to: EventStore, { info, signal, place, onCopied }: Copying): Promise<CopiedStream> {
  const { stream, headRevision, truncatedBefore } = info;
  let { headRevision: head } = await to.info(stream);
  await refuseOtherHistory(from, to, { info, head, place });
  let eventCount = 0;
  while (head < headRevision && !signal.aborted) {
    const events = head + 1 < truncatedBefore ? placeholders(head + 1, truncatedBefore) : await pageAfter(from, info, head as Revision);
    ({ revision: head } = await to.append(stream, head as Revision, events));
    eventCount += events.length;
    onCopied?.(head + 1, headRevision + 1);
  }
  if (signal.aborted) throw new RainbowError("BUSY", "the copy was broken off; the same command goes on from there", { stream });
  if (truncatedBefore > (await to.info(stream)).truncatedBefore) await to.truncateBefore(stream, truncatedBefore);
  return { type: "copied", stream, eventCount, headRevision };
}

/** What is there already must be the beginning of what is copied. */
async function refuseOtherHistory(
  from: EventStore,
  to: EventStore,
  { info, head, place }: { readonly info: StreamInfo; readonly head: number; readonly place: string },
): Promise<void> {
  if (head === NO_STREAM || head < info.truncatedBefore) return;
  const [there] = await to.read(info.stream, { direction: "backwards", from: head as Revision, maxCount: 1 });
  const [here] = head > info.headRevision ? [] : await from.read(info.stream, { from: head as Revision, maxCount: 1 });
  if (here !== undefined && there !== undefined && isSame(here, there)) return;
  throw new RainbowError("REVISION_CONFLICT", `stream '${info.stream}' in ${place} has another history than the one to be copied: nothing was changed there`, {
    stream: info.stream,
    expected: info.headRevision,
    actual: head,
  });
}

function placeholders(first: number, end: number): NewEvent[] {
  return Array.from({ length: Math.min(PAGE_EVENTS, end - first) }, (_, i) => {
    const id = Buffer.alloc(16, 255);
    id.writeUInt32BE(first + i, 12);
    return { id, type: PLACEHOLDER_TYPE, data: Buffer.alloc(0), metadata: Buffer.alloc(0) };
  });
}

async function pageAfter(from: EventStore, { stream, headRevision }: StreamInfo, head: Revision): Promise<StoredEvent[]> {
  const next = (head + 1) as Revision;
  const page = await from.read(stream, { from: next, maxCount: Math.min(PAGE_EVENTS, headRevision - head), bytesMax: APPEND_BYTES, withoutPositions: true });
  if (page[0]?.revision === next) return page;
  throw new RainbowError("EVENT_CORRUPT", `stream '${stream}' has no event ${next} where it goes on: run 'rainbow check' on the store that is copied`, {
    stream,
    revision: next,
  });
}

async function verifyStream(from: EventStore, to: EventStore, { stream, headRevision, truncatedBefore }: StreamInfo): Promise<CopiedStream> {
  let next = truncatedBefore as number;
  while (next <= headRevision) {
    const maxCount = Math.min(PAGE_EVENTS, headRevision - next + 1);
    const [ours, theirs] = await Promise.all([from, to].map((store) => store.read(stream, { from: next as Revision, maxCount, withoutPositions: true })));
    const wrong = ours!.findIndex((event, i) => theirs![i] === undefined || !isSame(event, theirs![i]));
    if (wrong !== -1 || ours!.length === 0)
      throw new RainbowError("EVENT_CORRUPT", `event ${next + Math.max(wrong, 0)} of stream '${stream}' is not the same in the copy`, {
        stream,
        revision: next + Math.max(wrong, 0),
      });
    next += ours!.length;
  }
  return { type: "verified", stream, eventCount: headRevision - truncatedBefore + 1, headRevision };
}

function isSame(a: StoredEvent, b: StoredEvent): boolean {
  const parts = [
    [a.id, b.id],
    [a.data, b.data],
    [a.metadata, b.metadata],
  ] as const;
  return a.revision === b.revision && a.type === b.type && parts.every(([left, right]) => Buffer.compare(left, right) === 0);
}
