/**
 * What a damaged event store can still answer: its sound rows, copied into a new file, each stream up to its first damaged or missing
 * row. Revisions and positions stay. The damaged file is only read, page by page, never mapped; both files are the caller's to keep.
 * Where a page of the trees is damaged, rows that nothing leads to any more are taken from wherever they lie, if they follow by hash.
 */
import { existsSync } from "node:fs";
import { RainbowError } from "../../core/index.ts";
import type { PageProblem, PageSource, Place, Position, Revision } from "../../core/index.ts";
import { batchHash, START_HASH } from "../chain.ts";
import { decodeEvent } from "../codec.ts";
import type { StoredEvent } from "../event-store.ts";
import { LmdbFile } from "./file.ts";
import type { Write } from "./file.ts";
import { encodeStore, encodeStream, indexKey, rowKey, STORE_KEY, streamKey } from "./keys.ts";
import type { StreamRecord } from "./keys.ts";
import { openPages } from "./pages.ts";
import { withStreamId } from "./row.ts";
import { findRows, soundRow } from "./salvage-find.ts";
import type { FoundRows } from "./salvage-find.ts";

export interface SalvagedStream {
  readonly stream: string;
  /** Where it ended; undefined where the file does not tell. */
  readonly headRevision: Revision | undefined;
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
  /** The events of the last row; none before the first. */
  last: readonly StoredEvent[];
  isBroken: boolean;
}

const COMMIT_BYTES = 8 << 20;

/** Copies what is sound of the store at `path` into a new one at `target`. STORE_CORRUPT where not even the streams can be read. */
export async function salvageLmdbEventStore(path: string, target: string): Promise<SalvageReport> {
  if (existsSync(target)) throw new RainbowError("TARGET_REFUSED", `${target} exists: a salvage writes a new file`, { path: target });
  const pages = openPages(path);
  try {
    const found = findRows(pages);
    if (found.streams.size === 0)
      throw new RainbowError("STORE_CORRUPT", `nothing can be saved of the event store ${path}: its streams cannot be read`, { path });
    const file = new LmdbFile(target, { readOnly: false });
    try {
      return { problems: found.problems, streams: await new Salvage(pages, found, file).copy() };
    } finally {
      await file.close();
    }
  } finally {
    pages.close();
  }
}

class Salvage {
  private readonly pages: PageSource;
  private readonly found: FoundRows;
  private readonly file: LmdbFile;
  private readonly saving = new Map<number, Saving>();
  private nextPosition: number;
  private writes: Write[] = [];
  private byteCount = 0;

  constructor(pages: PageSource, found: FoundRows, file: LmdbFile) {
    this.pages = pages;
    this.found = found;
    this.file = file;
    this.nextPosition = found.nextPosition;
    for (const [name, record] of found.streams)
      this.saving.set(record.id, { name, record, newId: this.saving.size + 1, next: record.truncatedBefore, last: [], isBroken: false });
  }

  async copy(): Promise<SalvagedStream[]> {
    for (const place of this.found.rows) await this.take(place);
    for (const saving of this.saving.values()) await this.fill(saving, Number.POSITIVE_INFINITY);
    for (const { name, record, newId, next } of this.saving.values())
      this.writes.push({ table: "streams", key: streamKey(name), value: encodeStream(name, { ...record, id: newId, head: (next - 1) as Revision }) });
    const store = { nextStreamId: this.saving.size + 1, nextPosition: this.nextPosition as Position };
    this.writes.push({ table: "streams", key: STORE_KEY, value: encodeStore(store) });
    await this.flush();
    return [...this.saving.values()].map(({ name, record, next }) => {
      const savedRevision = (next - 1) as Revision;
      const headRevision = this.found.doubtfulStreams.has(name) ? undefined : (Math.max(record.head, savedRevision) as Revision);
      return { stream: name, savedRevision, headRevision };
    });
  }

  /** A row that the trees lead to; what is missing before it is looked for elsewhere. Rows that a truncation has passed are left behind. */
  private async take(place: Place): Promise<void> {
    const row = soundRow(this.pages, place);
    const saving = row === undefined ? undefined : this.saving.get(row.head.streamId);
    if (row === undefined || saving === undefined || row.head.last < saving.record.truncatedBefore) return;
    if (saving.last.length === 0 ? row.head.first > saving.next : row.head.first !== saving.next) await this.fill(saving, row.head.first);
    const follows = saving.last.length === 0 ? row.head.first <= saving.next : row.head.first === saving.next;
    if (!follows || linkOf(saving, row.events) === "other") saving.isBroken = true;
    if (!saving.isBroken) await this.save(saving, row);
  }

  /** Goes on with scattered rows as long as one follows by its hash, up to the revision `before`. */
  private async fill(saving: Saving, before: number): Promise<void> {
    while (!saving.isBroken && saving.next < before) {
      const rows = this.found.scatteredRows(saving.record.id, saving.next).flatMap((place) => soundRow(this.pages, place) ?? []);
      const row = rows.find((each) => linkOf(saving, each.events) === "linked");
      if (row === undefined) return;
      await this.save(saving, row);
    }
  }

  private async save(saving: Saving, { head, bytes, events }: NonNullable<ReturnType<typeof soundRow>>): Promise<void> {
    saving.next = head.last + 1;
    saving.last = events;
    this.nextPosition = Math.max(this.nextPosition, head.lastPosition + 1);
    this.writes.push({ table: "rows", key: rowKey(head.lastPosition), value: withStreamId(bytes, saving.newId) });
    this.writes.push({ table: "index", key: indexKey(saving.newId, head.last), value: rowKey(head.lastPosition) });
    this.byteCount += bytes.length;
    if (this.byteCount >= COMMIT_BYTES) await this.flush();
  }

  private async flush(): Promise<void> {
    const proof = this.writes.at(-1);
    if (proof !== undefined) await this.file.commit(this.writes, proof);
    this.writes = [];
    this.byteCount = 0;
  }
}

/** Whether a row is the batch that came after what was saved: then it names the hash of that. */
function linkOf(saving: Saving, events: readonly StoredEvent[]): "linked" | "other" | "unknown" {
  if (saving.last.length === 0 && saving.next > 0) return "unknown"; // What it follows was truncated.
  const before = saving.last.length === 0 ? START_HASH : batchHash(saving.last);
  const end = events.at(-1);
  try {
    const previousHash = end === undefined ? undefined : decodeEvent(end).metadata.batchEnd?.previousHash;
    return previousHash === undefined ? "unknown" : previousHash.equals(before) ? "linked" : "other";
  } catch {
    return "unknown"; // No batch of a machine: it names no hash.
  }
}
