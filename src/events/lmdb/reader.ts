/**
 * Rows of the file as events. Every row is checked three ways before an event leaves: its checksum, its place (the key it lies under,
 * the index entry that leads to it) and its neighbours (revisions follow one another without a hole).
 */
import type { Position, Revision } from "../../core/index.ts";
import { eventBytes } from "../append-rules.ts";
import type { ReadPlan } from "../append-rules.ts";
import { eventCorrupt } from "../codec.ts";
import type { StoredEvent } from "../event-store.ts";
import type { Entry, LmdbFile } from "./file.ts";
import { indexKey, positionOfRowKey, revisionOfIndexKey, rowKey } from "./keys.ts";
import type { StreamRecord } from "./keys.ts";
import { decodeEvents, decodeHead } from "./row.ts";
import type { RowHead } from "./row.ts";

export interface ReadRow {
  readonly head: RowHead;
  readonly bytes: Buffer;
}

const INDEX_ENTRIES = 64; // Looked up at a time: few enough that a short read wastes little.

/** The events of a plan, as port and plan have it. */
export function readEvents(file: LmdbFile, stream: string, record: StreamRecord, plan: ReadPlan): StoredEvent[] {
  const events: StoredEvent[] = [];
  let byteCount = 0;
  for (const row of plan.forwards ? rowsForwards(file, stream, record, plan.from) : rowsBackwards(file, stream, record, plan.from)) {
    const decoded = decodeEvents(row.bytes, row.head, stream, (why) => eventCorrupt(stream, row.head.first, why));
    const wanted = plan.forwards ? decoded : decoded.reverse();
    for (const event of wanted) {
      if (plan.forwards ? event.revision < plan.from : event.revision > plan.from) continue;
      if (event.revision < record.truncatedBefore) return events;
      byteCount += eventBytes(event);
      if (events.length === plan.maxCount || (events.length > 0 && byteCount > plan.bytesMax)) return events;
      events.push(event);
    }
  }
  return events;
}

function* rowsForwards(file: LmdbFile, stream: string, record: StreamRecord, from: number): Generator<ReadRow> {
  let next = from;
  let isFirst = true;
  while (next <= record.head) {
    const entries = file.range("index", indexKey(record.id, next), indexKey(record.id, record.head), INDEX_ENTRIES);
    if (entries.length === 0) throw eventCorrupt(stream, next, "its row is missing");
    for (const entry of entries) {
      const row = rowOf(file, stream, record, entry, next);
      if (isFirst ? row.head.first > next : row.head.first !== next) throw eventCorrupt(stream, next, "its row is missing");
      yield row;
      isFirst = false;
      next = row.head.last + 1;
    }
  }
}

function* rowsBackwards(file: LmdbFile, stream: string, record: StreamRecord, from: number): Generator<ReadRow> {
  const [start] = file.range("index", indexKey(record.id, from), indexKey(record.id, record.head), 1);
  if (start === undefined) throw eventCorrupt(stream, from, "its row is missing");
  let next = revisionOfIndexKey(start.key) as number;
  let isFirst = true;
  while (next >= record.truncatedBefore) {
    const entries = file.range("index", indexKey(record.id, 0), indexKey(record.id, next), INDEX_ENTRIES, true);
    if (entries.length === 0) throw eventCorrupt(stream, next, "its row is missing");
    for (const entry of entries) {
      const row = rowOf(file, stream, record, entry, next);
      if (isFirst ? row.head.first > from : row.head.last !== next) throw eventCorrupt(stream, Math.min(next, from), "its row is missing");
      yield row;
      isFirst = false;
      next = row.head.first - 1;
      if (next < record.truncatedBefore) return;
    }
  }
}

/** The row that an index entry leads to, with its place checked. `revision` is what a fault is reported for. */
function rowOf(file: LmdbFile, stream: string, record: StreamRecord, entry: Entry, revision: number): ReadRow {
  const fail = (why: string): Error => eventCorrupt(stream, revision, why);
  const bytes = entry.value.length === 8 ? file.get("rows", entry.value) : undefined;
  if (bytes === undefined) throw fail("its row is missing");
  const head = decodeHead(bytes, fail);
  const isInPlace = head.streamId === record.id && head.last === revisionOfIndexKey(entry.key) && head.lastPosition === positionOfRowKey(entry.value);
  if (!isInPlace) throw fail("its index entry leads to another row");
  return { head, bytes };
}

/** At most `limit` rows whose last position lies in (after, until], in order. EVENT_CORRUPT names the position. */
export function rowsAfter(file: LmdbFile, after: Position, until: Position, limit: number): ReadRow[] {
  if (after >= until) return [];
  return file.range("rows", rowKey(after + 1), rowKey(until), limit).map(({ key, value }) => {
    const position = positionOfRowKey(key);
    const head = decodeHead(value, (why) => corruptAt(position, why));
    if (head.lastPosition !== position) throw corruptAt(position, "its row lies under another row's key");
    return { head, bytes: value };
  });
}

export function corruptAt(position: Position, why: string): Error {
  return eventCorrupt("(unknown)", -1 as Revision, `${why} (position ${position})`);
}
