/**
 * Every number of the data file's and the control file's layout, as FORMAT.md has them (a test compares the two). All integers are
 * little-endian but those in control keys, which are big-endian so that they sort.
 */
import { BLOCK_BYTES } from "../core/index.ts";

export const FORMAT_VERSION = 1;
export const SUPERBLOCK_COUNT = 2;

export const SUPERBLOCK = {
  magic: 0,
  version: 4,
  reserved: 6,
  crc: 8,
  state: 12,
  uuid: 16,
  sequence: 32,
  quotaBlocks: 40,
  zeros: 48,
} as const;
export const SUPERBLOCK_MAGIC = "DIG1";
/** `open`: bitmap blocks in the data file are stale. `clean`: they are as of the last close. */
export const SUPERBLOCK_STATE = { open: 1, clean: 2 } as const;

/** A group is a bitmap block and the blocks it covers, itself among them. Group 0 keeps its bitmap behind the superblocks. */
export const BITMAP = { magic: 0, crc: 4, group: 8, sequence: 16, zeros: 24, bits: 32 } as const;
export const BITMAP_MAGIC = "DIGB";
export const GROUP_BITMAP_BYTES = BLOCK_BYTES - BITMAP.bits;
export const GROUP_BLOCKS = GROUP_BITMAP_BYTES * 8;
/** A bitmap row of the control file covers a quarter of a group: four of them share an LMDB page. */
export const SEGMENT_BYTES = GROUP_BITMAP_BYTES / 4;

export const RUN = {
  magic: 0,
  version: 4,
  kind: 6,
  reserved: 7,
  crc: 8,
  headerBytes: 12,
  uuid: 16,
  sequence: 32,
  first: 40,
  count: 48,
  payloadBytes: 52,
  zeros: 56,
  entries: 64,
} as const;
export const RUN_MAGIC = "DIGR";
export const RUN_KIND_CHUNKS = 1;
export const RUN_ENTRY = { hash: 0, index: 32, encoding: 34, lengthBytes: 35, storedBytes: 38 } as const;
export const RUN_ENTRY_BYTES = 41;
/** The row of a full run just fits into one page of LMDB, so that a chunk costs 21 bytes there. */
export const RUN_CHUNKS_MAX = 192;
export const RUN_PAYLOAD_BYTES = 1 << 20; // A batch of 64 KiB chunks is one run.

export const PAGE = {
  crc: 0,
  magic: 4,
  kind: 8,
  level: 9,
  entryCount: 10,
  restartCount: 12,
  end: 14,
  birth: 16,
  sequence: 24,
  entries: 32,
} as const;
export const PAGE_MAGIC = "DIGP";
export const PAGE_KIND = { leaf: 1, inner: 2, overflow: 3 } as const;
/** An overflow run: the page header up to `entryCount`, then a length, birth and sequence at the usual places, then the value. */
export const OVERFLOW = { length: 10, bytes: 32 } as const;
/** Every so many entries of a page one has its whole key, and the page's end lists where. */
export const RESTART_INTERVAL = 16;

/** One chunk in a run's row: 16 bytes of its hash and 40 bits (length - 1, stored length, encoding, freed). */
export const ROW_CHUNK = { hash: 0, lengths: 16, flags: 20 } as const;
export const ROW_CHUNK_BYTES = 21;
export const ROW_HASH_BYTES = 16;

/** First byte of every control key. */
export const TABLE = {
  meta: "M",
  run: "R",
  life: "L",
  tree: "T",
  staged: "S",
  chunkDeaths: "D",
  pageDeaths: "G",
  work: "W",
  bitmap: "B",
  /** Only while the control file is rebuilt. */
  candidate: "C",
} as const;
export type TableName = keyof typeof TABLE;

/** Rows are split so that one transaction of at most 5,000 keys moves much and one row stays small. */
export const PAGE_DEATHS_PER_ROW = 256;
export const STAGED_PER_ROW = 256;
export const TRANSACTION_KEYS_MAX = 5000;

export const KEY_BYTES_MAX = 300;
export const VALUE_BYTES_MAX = 1 << 20;
/** Longer values lie beside the page: three of this size still fit into one. */
export const INLINE_VALUE_BYTES_MAX = 1024;

/** The block that holds a group's bitmap. */
export function bitmapBlockOf(group: number): number {
  return group === 0 ? SUPERBLOCK_COUNT : group * GROUP_BLOCKS;
}
