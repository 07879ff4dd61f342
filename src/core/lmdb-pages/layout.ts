/**
 * The pages of an LMDB file of data version 2, as the library that lmdb-js brings writes them on 64-bit little-endian machines
 * (its mdb.c: MDB_page_header, MDB_meta, MDB_db, MDB_node). Only what a reader needs.
 */
export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 24; // page number u64, txnid u64, pad u16, flags u16, then lower u16 and upper u16, or u32 pages.
export const NODE_HEADER_BYTES = 8; // lo u16, hi u16, flags u16, key size u16.
export const TREE_BYTES = 48;
export const LONG_VALUE_BYTES = 24; // MDB_ovpage: first page u64, txnid u64, page count u64.
export const PAGE_FLAG = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
export const NODE_FLAG = { big: 1, tree: 2 } as const;
export const NO_PAGE = -1;
const META_MAGIC = 0xbeefc0de;
const META_VERSION = 2;
const ENVIRONMENT_FLAGS = 0x4008; // MDB_NOSUBDIR, and integer keys in the free list's tree.

/** MDB_db: one tree and what it should count. */
export interface Tree {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** NO_PAGE where empty. */
  readonly root: number;
}

export interface Meta {
  readonly txnid: number;
  readonly lastPage: number;
  readonly free: Tree;
  readonly main: Tree;
}

/** A u64 as a number, NO_PAGE for all ones; values over 2^53 come out inexact and fail the range checks. */
export function u64(page: Buffer, at: number): number {
  const low = page.readUInt32LE(at);
  const high = page.readUInt32LE(at + 4);
  return low === 0xffffffff && high === 0xffffffff ? NO_PAGE : high * 2 ** 32 + low;
}

/** What a meta page says, or what is wrong with it. */
export function readMeta(page: Buffer): Meta | string {
  if (page.readUInt16LE(18) !== PAGE_FLAG.meta) return "it is no meta page";
  if (page.readUInt32LE(24) !== META_MAGIC) return "its magic is wrong";
  if ((page.readUInt32LE(28) & 0xffff) !== META_VERSION) return "its version is unknown";
  if (page.readUInt32LE(48) !== PAGE_BYTES) return "its page size is not 4096";
  if (page.readUInt16LE(52) !== ENVIRONMENT_FLAGS) return "its flags are unknown";
  const free = readTree(page, 48, PAGE_BYTES, ENVIRONMENT_FLAGS);
  const main = readTree(page, 96, 0, 0);
  if (free === undefined || main === undefined) return "its trees are out of range";
  return { free, main, lastPage: u64(page, 144), txnid: u64(page, 152) };
}

/** Whether a page's first sector is that of a meta page before the first commit, or was never written. */
export function isFreshMeta(sector: Buffer): boolean {
  if (sector.every((byte) => byte === 0)) return true;
  return sector.readUInt16LE(18) === PAGE_FLAG.meta && sector.readUInt32LE(24) === META_MAGIC && u64(sector, 152) === 0;
}

/** Undefined where pad or flags are not what the caller knows they must be. */
export function readTree(page: Buffer, at: number, pad: number, flags: number): Tree | undefined {
  if (page.readUInt32LE(at) !== pad || page.readUInt16LE(at + 4) !== flags) return undefined;
  return {
    depth: page.readUInt16LE(at + 6),
    branchPages: u64(page, at + 8),
    leafPages: u64(page, at + 16),
    overflowPages: u64(page, at + 24),
    entries: u64(page, at + 32),
    root: u64(page, at + 40),
  };
}

/** How many pages a value of `byteCount` bytes takes when it lies apart. */
export function overflowPageCount(byteCount: number): number {
  return Math.floor((PAGE_HEADER_BYTES - 1 + byteCount) / PAGE_BYTES) + 1;
}
