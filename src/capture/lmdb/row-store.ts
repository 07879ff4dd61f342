/** RowStore on LMDB. Every value ends with its CRC-32, so that a damaged page is an error and never a wrong fact. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { open } from "lmdb";
import type { RootDatabase } from "lmdb";
import { byteStringOf, bytesOf, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { RowKey, RowStore, RowWrite } from "../memory/index.ts";

export const MEMORY_FILE = "memory.lmdb";
const CRC_BYTES = 4;
const MAP_BYTES_INITIAL = 64 * 1024 * 1024; // Grows by itself; address space alone.

/** Opens (or makes) `<directory>/memory.lmdb`. */
export function openMemoryRows(directory: ByteString): RowStore {
  const folder = bytesOf(directory).toString("utf8");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, MEMORY_FILE);
  const database = open<Buffer, Buffer>({
    path,
    encoding: "binary",
    keyEncoding: "binary",
    noSubdir: true,
    overlappingSync: false, // A write that resolved must be durable: the host may already know of it.
    mapSize: MAP_BYTES_INITIAL,
    maxReaders: 16,
    cache: false,
  });
  return new LmdbRowStore(database, path);
}

class LmdbRowStore implements RowStore {
  private readonly database: RootDatabase<Buffer, Buffer>;
  private readonly path: string;

  constructor(database: RootDatabase<Buffer, Buffer>, path: string) {
    this.database = database;
    this.path = path;
  }

  get(key: RowKey): Buffer | undefined {
    const stored = this.database.getBinaryFast(bytesOf(key));
    if (stored === undefined) return undefined;
    const end = stored.length - CRC_BYTES;
    const value = stored.subarray(0, Math.max(end, 0));
    if (end < 0 || stored.readUInt32LE(end) !== crc32(value))
      throw new RainbowError("STORE_CORRUPT", `the agent's memory is damaged: ${this.path}; remove it, and the next start scans everything anew`, {
        path: this.path,
      });
    return value;
  }

  keys(prefix: RowKey, from: RowKey, countMax: number): RowKey[] {
    const found: RowKey[] = [];
    for (const key of this.database.getKeys({ start: bytesOf(from), limit: countMax })) {
      const text = byteStringOf(key);
      if (!text.startsWith(prefix)) break;
      found.push(text);
    }
    return found;
  }

  async write(rows: readonly RowWrite[]): Promise<void> {
    await this.database.batch(() => {
      for (const [key, bytes] of rows) {
        if (bytes === undefined) void this.database.remove(bytesOf(key));
        else void this.database.put(bytesOf(key), sealed(bytes));
      }
    });
  }

  async clear(): Promise<void> {
    await this.database.clearAsync();
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}

function sealed(bytes: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(bytes.length + CRC_BYTES);
  value.set(bytes);
  value.writeUInt32LE(crc32(bytes), bytes.length);
  return value;
}
