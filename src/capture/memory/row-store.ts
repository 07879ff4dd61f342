/** The port to the agent's durable memory: rows of bytes under binary keys, written all or nothing. */
import type { ByteString } from "../../core/index.ts";

export type RowKey = ByteString;
/** A row to write; without bytes it is removed. */
export type RowWrite = readonly [key: RowKey, bytes: Uint8Array | undefined];

export interface RowStore {
  /** The row's bytes, valid until the next call only; undefined where there is none. */
  get(key: RowKey): Buffer | undefined;
  /** Keys that start with `prefix`, ascending from `from` on, at most `countMax`. */
  keys(prefix: RowKey, from: RowKey, countMax: number): RowKey[];
  /** Resolves when all of `rows` are durable, together; after a crash either all or none are there. Calls take effect in order. */
  write(rows: readonly RowWrite[]): Promise<void>;
  /** Removes every row. Resolves when that is durable. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
