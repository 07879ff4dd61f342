/**
 * Rows of the control file: a key is a table's letter and big-endian numbers of 6 bytes; a value is the CRC over key and content,
 * then the content. Pending writes are seen by every read before they are durable, so the code above knows one state only.
 */
import { crc32 } from "node:zlib";
import { assert, RainbowError } from "../core/index.ts";
import type { ControlFile, ControlWrite } from "./control-file.ts";
import { TABLE } from "./layout.ts";
import type { TableName } from "./layout.ts";

const NUMBER_BYTES = 6;
const CRC_BYTES = 4;

export interface Row {
  readonly key: Buffer;
  readonly content: Buffer;
}

export function controlKey(table: TableName, ...numbers: readonly number[]): Buffer {
  const key = Buffer.allocUnsafe(1 + numbers.length * NUMBER_BYTES);
  key.write(TABLE[table], 0, "latin1");
  numbers.forEach((value, i) => key.writeUIntBE(value, 1 + i * NUMBER_BYTES, NUMBER_BYTES));
  return key;
}

export function metaKey(name: string): Buffer {
  return Buffer.from(`${TABLE.meta}${name}`, "latin1");
}

/** The i-th number of a key. */
export function keyNumber(key: Buffer, index: number): number {
  return key.length >= 1 + (index + 1) * NUMBER_BYTES ? key.readUIntBE(1 + index * NUMBER_BYTES, NUMBER_BYTES) : -1;
}

/** The end of a table's keys. */
export function tableEnd(table: TableName): Buffer {
  return Buffer.from([TABLE[table].charCodeAt(0) + 1]);
}

export function sealRow(key: Buffer, content: Buffer): Buffer {
  const value = Buffer.allocUnsafe(CRC_BYTES + content.length);
  content.copy(value, CRC_BYTES);
  value.writeUInt32LE(crc32(content, crc32(key)), 0);
  return value;
}

/** The content of a row; DIG_CHECKSUM where it is not what was written under this key. */
export function openRow(key: Buffer, value: Buffer): Buffer {
  const content = value.subarray(CRC_BYTES);
  if (value.length >= CRC_BYTES && value.readUInt32LE(0) === crc32(content, crc32(key))) return content;
  throw new RainbowError("DIG_CHECKSUM", `a row of the control file is damaged (${nameOfKey(key)}): run \`rainbow repair\``, {
    at: "control file",
    row: nameOfKey(key),
  });
}

export function nameOfKey(key: Buffer): string {
  const letter = key.toString("latin1", 0, 1);
  const table = Object.entries(TABLE).find(([, value]) => value === letter)?.[0] ?? "unknown";
  return `${table} ${table === "meta" ? key.toString("latin1", 1) : key.toString("hex", 1)}`;
}

/** Reads through to the control file, with the writes that are still on their way laid over it. */
export class ControlRows {
  readonly file: ControlFile;
  private readonly pending = new Map<string, Buffer | undefined>();

  constructor(file: ControlFile) {
    this.file = file;
  }

  get(key: Buffer): Buffer | undefined {
    const name = key.latin1Slice();
    const found = this.pending.has(name) ? this.pending.get(name) : this.file.get(key);
    return found === undefined ? undefined : openRow(key, found);
  }

  /** Committed rows of a table, checked; the caller sees to it that none of them is being changed. */
  *scan(table: TableName, from: Buffer = controlKey(table), to: Buffer = tableEnd(table), batch = 64): IterableIterator<Row> {
    let next = from;
    for (;;) {
      const entries = this.file.range(next, to, { limit: batch });
      for (const { key, value } of entries) yield { key, content: openRow(key, value) };
      const last = entries.at(-1);
      if (last === undefined || entries.length < batch) return;
      next = Buffer.concat([last.key, Buffer.alloc(1)]);
    }
  }

  /** The row with the greatest key at or below `key` in its table, as the control file has it. */
  floorKey(table: TableName, key: Buffer): Buffer | undefined {
    return this.file.range(controlKey(table), Buffer.concat([key, Buffer.alloc(1)]), { limit: 1, reverse: true })[0]?.key;
  }

  /** Lays writes over the file until `settle` takes them off. */
  lay(writes: readonly ControlWrite[]): void {
    for (const { key, value } of writes) this.pending.set(key.latin1Slice(), value);
  }

  settle(writes: readonly ControlWrite[]): void {
    for (const { key, value } of writes) {
      const name = key.latin1Slice();
      if (this.pending.get(name) === value) this.pending.delete(name); // A later write to the same key stays.
    }
  }

  get pendingCount(): number {
    return this.pending.size;
  }
}

/** A row's write. */
export function rowPut(key: Buffer, content: Buffer): ControlWrite {
  assert(key.length > 0, "a control key is not empty");
  return { key, value: sealRow(key, content) };
}

export function rowDelete(key: Buffer): ControlWrite {
  return { key, value: undefined };
}
