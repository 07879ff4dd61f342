/** The run rows by chunk number: those still on their way to the control file, a small cache, and the control file. */
import { controlKey, keyNumber, tableEnd } from "./control-rows.ts";
import type { ControlRows } from "./control-rows.ts";
import { decodeRunRow } from "./run.ts";
import type { RunRow } from "./run.ts";

const CACHE_SLOTS = 1024; // At most 5 KiB each.
const NUMBERS_PER_SLOT = 64;
const SCAN_ROWS = 64;

export class RunTable {
  private readonly rows: ControlRows;
  private readonly cache = new Array<RunRow | undefined>(CACHE_SLOTS).fill(undefined);
  /** Ascending; not yet visible in the control file. */
  private onTheWay: RunRow[] = [];

  constructor(rows: ControlRows) {
    this.rows = rows;
  }

  /** The row that holds this number, where it is not freed. */
  find(chunk: number): RunRow | undefined {
    const row = this.rowAt(chunk);
    return row?.has(chunk) === true ? row : undefined;
  }

  /** The row whose numbers include this one, freed or not. */
  rowAt(chunk: number): RunRow | undefined {
    const slot = Math.floor(chunk / NUMBERS_PER_SLOT) % CACHE_SLOTS;
    const cached = this.cache[slot];
    if (cached !== undefined && chunk >= cached.first && chunk < cached.first + cached.count) return cached;
    const arriving = this.onTheWay.findLast((row) => row.first <= chunk);
    const row = arriving ?? this.read(chunk);
    if (row === undefined || chunk >= row.first + row.count) return undefined;
    this.cache[slot] = row;
    return row;
  }

  arriving(rows: readonly RunRow[]): void {
    this.onTheWay.push(...rows);
  }

  arrived(rows: readonly RunRow[]): void {
    const gone = new Set(rows);
    this.onTheWay = this.onTheWay.filter((row) => !gone.has(row));
  }

  /** The first number of the newest run; 0 where there is none. */
  lastFirst(): number {
    const key = this.rows.floorKey("run", controlKey("run", 2 ** 48 - 1));
    return key === undefined ? 0 : keyNumber(key, 0);
  }

  /** After rows changed. */
  forget(): void {
    this.cache.fill(undefined);
  }

  /** Up to `limit` rows that hold `chunk` or a higher number, ascending, as committed. */
  from(chunk: number, limit: number): RunRow[] {
    const floor = this.rows.floorKey("run", controlKey("run", chunk)) ?? controlKey("run", chunk);
    const found: RunRow[] = [];
    for (const { key, content } of this.rows.scan("run", floor, tableEnd("run"), SCAN_ROWS)) {
      const row = decodeRunRow(keyNumber(key, 0), content);
      if (row.first + row.count > chunk) found.push(row);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Rows from the newest back, as committed; damaged ones are passed over. */
  *newest(): IterableIterator<RunRow> {
    let end = tableEnd("run");
    for (;;) {
      const entries = this.rows.file.range(controlKey("run"), end, { limit: SCAN_ROWS, reverse: true });
      for (const { key } of entries) {
        const row = this.readIntact(key);
        if (row !== undefined) yield row;
        end = key;
      }
      if (entries.length < SCAN_ROWS) return;
    }
  }

  private readIntact(key: Buffer): RunRow | undefined {
    try {
      return decodeRunRow(keyNumber(key, 0), this.rows.get(key)!);
    } catch {
      return undefined; // Dedup only: whoever needs the row hears of its damage.
    }
  }

  private read(chunk: number): RunRow | undefined {
    const key = this.rows.floorKey("run", controlKey("run", chunk));
    const content = key === undefined ? undefined : this.rows.get(key);
    return key === undefined || content === undefined ? undefined : decodeRunRow(keyNumber(key, 0), content);
  }
}
