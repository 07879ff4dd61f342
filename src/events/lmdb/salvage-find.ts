/** What there is to save in a damaged file: rows in the order of positions, rows that no tree leads to, and the streams' records. */
import { RainbowError, readPlace, scanLmdbPages, scatteredEntries } from "../../core/index.ts";
import type { PageProblem, PageSource, Place } from "../../core/index.ts";
import type { StoredEvent } from "../event-store.ts";
import { decodeStore, decodeStream, positionOfRowKey, STORE_KEY, STREAM_RECORD_BYTES } from "./keys.ts";
import type { StreamRecord } from "./keys.ts";
import { decodeEvents, decodeHead } from "./row.ts";
import type { RowHead } from "./row.ts";

const ROW_KEY_BYTES = 8;

export interface SoundRow {
  readonly head: RowHead;
  readonly bytes: Buffer;
  readonly events: readonly StoredEvent[];
}

export interface FoundRows {
  readonly problems: readonly PageProblem[];
  /** Sound rows that the trees lead to. */
  readonly rows: readonly Place[];
  readonly streams: ReadonlyMap<string, StreamRecord>;
  /** Streams whose record was found in no tree, nor in a page of the last commit: it may be an old one, and say too little of the stream's end. */
  readonly doubtfulStreams: ReadonlySet<string>;
  readonly nextPosition: number;
  /** Other sound rows of a stream that begin at a revision, the most recently written first. */
  scatteredRows(streamId: number, first: number): readonly Place[];
}

export function findRows(pages: PageSource): FoundRows {
  const rows: Place[] = [];
  const known = new Set<number>();
  const streams = new Map<string, StreamRecord>();
  let nextPosition = 1;
  const { problems, lastTxnid } = scanLmdbPages(pages, "tables", (table, key, place) => {
    if (table === "rows" && soundRow(pages, place) !== undefined) {
      rows.push(place);
      known.add(positionOfRowKey(key));
    }
    const bytes = table === "streams" ? readPlace(pages, place) : undefined;
    if (bytes === undefined) return;
    if (key.equals(STORE_KEY)) nextPosition = decodeStore(bytes)?.nextPosition ?? 1;
    const decoded = streamIn(key, bytes);
    if (decoded !== undefined) streams.set(decoded.name, decoded.record);
  });
  const scattered = findScattered(pages, known);
  const doubtfulStreams = new Set<string>();
  for (const [name, { record, txnid }] of scattered.streams) {
    if (!streams.has(name) && (lastTxnid === 0 || txnid < lastTxnid)) doubtfulStreams.add(name);
    streams.set(name, newer(streams.get(name), record));
  }
  const scatteredRows = (streamId: number, first: number): readonly Place[] =>
    (scattered.rows.get(`${streamId} ${first}`) ?? []).toSorted((a, b) => b.txnid - a.txnid).map(({ place }) => place);
  return { problems, rows, streams, doubtfulStreams, nextPosition, scatteredRows };
}

interface Scattered {
  readonly rows: Map<string, { readonly place: Place; readonly txnid: number }[]>;
  readonly streams: Map<string, { readonly record: StreamRecord; readonly txnid: number }>;
}

/** `known`: positions of rows that need no second copy. */
function findScattered(pages: PageSource, known: ReadonlySet<number>): Scattered {
  const found: Scattered = { rows: new Map(), streams: new Map() };
  scatteredEntries(pages, (key, place, txnid) => {
    if (key.length === ROW_KEY_BYTES && !known.has(positionOfRowKey(key))) {
      const head = soundRow(pages, place)?.head;
      if (head?.lastPosition !== positionOfRowKey(key)) return;
      const at = `${head.streamId} ${head.first}`;
      const others = found.rows.get(at);
      if (others === undefined) found.rows.set(at, [{ place, txnid }]);
      else others.push({ place, txnid });
    }
    const bytes = place.lengthBytes === STREAM_RECORD_BYTES ? readPlace(pages, place) : undefined;
    const decoded = bytes === undefined ? undefined : streamIn(key, bytes);
    if (decoded === undefined) return;
    const before = found.streams.get(decoded.name);
    const record = newer(before?.record, decoded.record);
    found.streams.set(decoded.name, { record, txnid: Math.max(before?.txnid ?? 0, txnid) });
  });
  return found;
}

function streamIn(key: Buffer, bytes: Buffer): ReturnType<typeof decodeStream> {
  return key.equals(STORE_KEY) ? undefined : decodeStream(key, bytes); // The store's own record has the same length and another layout.
}

/** A stream's head and its truncation only ever go forwards. */
function newer(a: StreamRecord | undefined, b: StreamRecord): StreamRecord {
  if (a === undefined || b.head > a.head || (b.head === a.head && b.truncatedBefore > a.truncatedBefore)) return b;
  return a;
}

/** A row all of whose events are sound, or undefined. */
export function soundRow(pages: PageSource, place: Place): SoundRow | undefined {
  const fail = (why: string): Error => new RainbowError("EVENT_CORRUPT", why);
  const bytes = readPlace(pages, place);
  if (bytes === undefined) return undefined;
  try {
    const head = decodeHead(bytes, fail);
    return { head, bytes, events: decodeEvents(bytes, head, "", fail) };
  } catch {
    return undefined; // That it is missing shows at the stream's next row, and at its end.
  }
}
