/**
 * What a damaged event store can still answer: its sound rows, copied into a new file, each stream up to its first damaged or missing
 * row. Revisions and positions stay. The damaged file is only read, page by page, never mapped; both files are the caller's to keep.
 */
import { existsSync } from "node:fs";
import { RainbowError, readPlace, scanLmdbPages } from "../../core/index.ts";
import type { PageProblem, PageSource, Place, Position, Revision } from "../../core/index.ts";
import { LmdbFile } from "./file.ts";
import type { Write } from "./file.ts";
import { decodeStore, decodeStream, encodeStore, encodeStream, indexKey, rowKey, STORE_KEY, streamKey } from "./keys.ts";
import type { StreamRecord } from "./keys.ts";
import { openPages } from "./pages.ts";
import { decodeEvents, decodeHead, withStreamId } from "./row.ts";
import type { RowHead } from "./row.ts";

export interface SalvagedStream {
  readonly stream: string;
  /** Where it ended. */
  readonly headRevision: Revision;
  /** The last revision that was saved. */
  readonly savedRevision: Revision;
}

export interface SalvageReport {
  readonly problems: readonly PageProblem[];
  readonly streams: readonly SalvagedStream[];
}

/** A stream on its way into the new file. */
interface Saving {
  readonly name: string;
  readonly record: StreamRecord;
  readonly newId: number;
  /** First revision not saved. */
  next: number;
  hasRows: boolean;
  isBroken: boolean;
}

interface Found {
  readonly problems: readonly PageProblem[];
  readonly rows: readonly Place[];
  readonly streams: ReadonlyMap<number, Saving>;
  nextPosition: number;
}

const COMMIT_BYTES = 8 << 20;

/** Copies what is sound of the store at `path` into a new one at `target`. STORE_CORRUPT where not even the streams can be read. */
export async function salvageLmdbEventStore(path: string, target: string): Promise<SalvageReport> {
  if (existsSync(target)) throw new RainbowError("TARGET_REFUSED", `${target} exists: a salvage writes a new file`, { path: target });
  const pages = openPages(path);
  try {
    const found = find(pages);
    if (found.streams.size === 0)
      throw new RainbowError("STORE_CORRUPT", `nothing can be saved of the event store ${path}: its streams cannot be read`, { path });
    const file = new LmdbFile(target, { readOnly: false });
    try {
      await copy(pages, found, file);
    } finally {
      await file.close();
    }
    const streams = [...found.streams.values()].map(({ name, record, next }) => ({
      stream: name,
      headRevision: record.head,
      savedRevision: (next - 1) as Revision,
    }));
    return { problems: found.problems, streams };
  } finally {
    pages.close();
  }
}

/** Places of all rows in order of position, and all streams whose records are sound. */
function find(pages: PageSource): Found {
  const rows: Place[] = [];
  const streams = new Map<number, Saving>();
  let nextPosition = 1;
  const { problems } = scanLmdbPages(pages, "tables", (table, key, place) => {
    if (table === "rows") rows.push(place);
    const bytes = table === "streams" ? readPlace(pages, place) : undefined;
    if (bytes === undefined) return;
    if (key.equals(STORE_KEY)) {
      nextPosition = decodeStore(bytes)?.nextPosition ?? 1;
      return;
    }
    const decoded = decodeStream(key, bytes);
    if (decoded === undefined) return;
    const newId = streams.get(decoded.record.id)?.newId ?? streams.size + 1;
    streams.set(decoded.record.id, { ...decoded, newId, next: decoded.record.truncatedBefore, hasRows: false, isBroken: false });
  });
  return { problems, rows, streams, nextPosition };
}

async function copy(pages: PageSource, found: Found, file: LmdbFile): Promise<void> {
  let writes: Write[] = [];
  let byteCount = 0;
  const flush = async (): Promise<void> => {
    const proof = writes.at(-1);
    if (proof !== undefined) await file.commit(writes, proof);
    writes = [];
    byteCount = 0;
  };
  for (const place of found.rows) {
    const row = readPlace(pages, place);
    const head = row === undefined ? undefined : soundHead(row);
    const saving = head === undefined ? undefined : found.streams.get(head.streamId);
    if (row === undefined || head === undefined || saving === undefined || !isNext(saving, head)) continue;
    saving.next = head.last + 1;
    saving.hasRows = true;
    found.nextPosition = Math.max(found.nextPosition, head.lastPosition + 1);
    writes.push({ table: "rows", key: rowKey(head.lastPosition), value: withStreamId(row, saving.newId) });
    writes.push({ table: "index", key: indexKey(saving.newId, head.last), value: rowKey(head.lastPosition) });
    byteCount += row.length;
    if (byteCount >= COMMIT_BYTES) await flush();
  }
  for (const { name, record, newId, next } of found.streams.values()) {
    const head = (next - 1) as Revision;
    writes.push({ table: "streams", key: streamKey(name), value: encodeStream(name, { ...record, id: newId, head }) });
  }
  const store = { nextStreamId: found.streams.size + 1, nextPosition: found.nextPosition as Position };
  writes.push({ table: "streams", key: STORE_KEY, value: encodeStore(store) });
  await flush();
}

/** The head of a row all of whose events are sound, or undefined. */
function soundHead(row: Buffer): RowHead | undefined {
  const fail = (why: string): Error => new RainbowError("EVENT_CORRUPT", why);
  try {
    const head = decodeHead(row, fail);
    decodeEvents(row, head, "", fail);
    return head;
  } catch {
    return undefined; // That it is missing shows at the stream's next row, and at its end.
  }
}

/** Whether the row follows what was saved of its stream; rows that a truncation has passed are left behind. */
function isNext(saving: Saving, head: RowHead): boolean {
  if (saving.isBroken || head.last < saving.record.truncatedBefore || head.last > saving.record.head) return false;
  const follows = saving.hasRows ? head.first === saving.next : head.first <= saving.next;
  if (!follows) saving.isBroken = true;
  return follows;
}
