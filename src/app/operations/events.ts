/** The stream as people read it: every event with its instant and its data in plain words. */
import { displayOf } from "../../core/index.ts";
import type { ByteString, Position, Revision } from "../../core/index.ts";
import { decodeEvent } from "../../events/index.ts";
import type { EventStore, Recorded } from "../../events/index.ts";
import type { EventItem } from "./types.ts";

const PAGE_EVENTS = 1000;
/** Fields that hold raw bytes as text. */
const BYTE_STRINGS: ReadonlySet<string> = new Set(["name", "fromName", "toName", "path", "linkTarget", "heldBy"]);

export interface EventsRequest {
  readonly from: number;
  readonly maxCount: number;
  readonly follow: boolean;
}

/** With `follow` it ends when `signal` aborts. */
export async function* readableEvents(
  store: EventStore,
  stream: string,
  { from, maxCount, follow }: EventsRequest,
  signal?: AbortSignal,
): AsyncGenerator<EventItem> {
  let next = from as Revision;
  let left = maxCount;
  let after = (await positionBefore(store, stream, next)) ?? (0 as Position);
  while (left > 0) {
    const page = await store.read(stream, { from: next, maxCount: Math.min(left, PAGE_EVENTS) });
    if (page.length === 0) break;
    for (const stored of page) yield itemOf(decodeEvent(stored));
    next = (page.at(-1)!.revision + 1) as Revision;
    after = page.at(-1)!.position;
    left -= page.length;
  }
  if (follow && left > 0) yield* followFrom(store, stream, { next, after, left, signal });
}

/** The position of the event before a revision, or of the last one there is. */
async function positionBefore(store: EventStore, stream: string, revision: Revision): Promise<Position | undefined> {
  const [last] = await store.read(stream, { direction: "backwards", from: Math.max(revision - 1, 0) as Revision, maxCount: 1 });
  return last?.position;
}

async function* followFrom(
  store: EventStore,
  stream: string,
  from: { readonly next: Revision; readonly after: Position; readonly left: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<EventItem> {
  const stop = new AbortController();
  const signal = from.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, from.signal]);
  let { left } = from;
  try {
    for await (const page of store.subscribe({ after: from.after, prefixes: [stream], signal })) {
      for (const stored of page.events) {
        if (stored.stream !== stream || stored.revision < from.next) continue;
        yield itemOf(decodeEvent(stored));
        left -= 1;
        if (left === 0) return;
      }
    }
  } finally {
    stop.abort();
  }
}

function itemOf({ event, revision, metadata }: Recorded): EventItem {
  const { type, ...data } = event;
  const { agentTimeUs, origin } = metadata;
  const item = { type: "event", revision, timeUs: agentTimeUs, event: type, data: plainData(data) } as const;
  return origin === undefined ? item : { ...item, origin };
}

/** An event's data as people read it. */
export function plainData(data: object): Record<string, unknown> {
  return readable(data) as Record<string, unknown>;
}

/** Names as text, hashes and other bytes as hex; a secret key is never shown. */
export function readable(value: unknown, key = ""): unknown {
  if (key === "hashKey") return "(secret)";
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value === "string") return BYTE_STRINGS.has(key) ? displayOf(value as ByteString) : value;
  if (Array.isArray(value)) return value.map((item) => readable(item));
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, readable(item, name)]));
  return value;
}
