/**
 * Tree pages in their encoded form: written once by a PageBuilder, searched and walked by a PageCursor without being unpacked.
 * Keys are prefix-compressed against the key before; every RESTART_INTERVAL-th key is whole, and the page's end lists where.
 */
import { crc32 } from "node:zlib";
import { assert, BLOCK_BYTES } from "../core/index.ts";
import { KEY_BYTES_MAX, PAGE, PAGE_KIND, PAGE_MAGIC, RESTART_INTERVAL } from "./layout.ts";
import { readU64, writeU64 } from "./run.ts";

/** A page and the checksum that its bytes must have. */
export interface PagePointer {
  readonly block: number;
  readonly crc: number;
}

/** A value that lies beside the page. */
export interface OverflowPointer extends PagePointer {
  readonly lengthBytes: number;
  readonly birth: number;
}

const SHORT_BYTES = 48;
export const POINTER_BYTES = 9;
export const OVERFLOW_POINTER_BYTES = 24;
const MAGIC_NUMBER = Buffer.from(PAGE_MAGIC, "latin1").readUInt32LE(0);

export function encodePointer(pointer: PagePointer): Buffer {
  const bytes = Buffer.allocUnsafe(POINTER_BYTES);
  bytes.writeUIntLE(pointer.block, 0, 5);
  bytes.writeUInt32LE(pointer.crc, 5);
  return bytes;
}

export function decodePointer(page: Buffer, at: number): PagePointer {
  return { block: page.readUInt32LE(at) + page[at + 4]! * 2 ** 32, crc: page.readUInt32LE(at + 5) };
}

export function encodeOverflowPointer(pointer: OverflowPointer): Buffer {
  const bytes = Buffer.alloc(OVERFLOW_POINTER_BYTES);
  bytes.writeUIntLE(pointer.block, 0, 5);
  bytes.writeUInt32LE(pointer.crc, 5);
  bytes.writeUIntLE(pointer.lengthBytes, 9, 4);
  bytes.writeUIntLE(pointer.birth, 13, 6);
  return bytes;
}

export function decodeOverflowPointer(bytes: Buffer): OverflowPointer {
  return { ...decodePointer(bytes, 0), lengthBytes: bytes.readUIntLE(9, 4), birth: bytes.readUIntLE(13, 6) };
}

/** The checksum of a page: over all but the checksum itself. */
export function pageCrc(page: Buffer): number {
  return crc32(page.subarray(PAGE.magic));
}

/** Whether bytes are an intact page of one of these kinds, as a pointer says. */
export function isIntactPage(page: Buffer, crc: number): boolean {
  return page.length === BLOCK_BYTES && page.readUInt32LE(PAGE.magic) === MAGIC_NUMBER && page.readUInt32LE(PAGE.crc) === crc && pageCrc(page) === crc;
}

export function pageBirth(page: Buffer): number {
  return readU64(page, PAGE.birth);
}

export function pageLevel(page: Buffer): number {
  return page[PAGE.level]!;
}

export function entryCount(page: Buffer): number {
  return page.readUInt16LE(PAGE.entryCount);
}

/** How many bytes two keys have in common at their start. */
export function sharedLength(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

function writeVarint(page: Buffer, value: number, at: number): number {
  while (value >= 0x80) {
    page[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  page[at++] = value;
  return at;
}

/** Copies from `start` on; returns where the bytes end. Short copies cost less than a call into native code. */
function putBytes(page: Buffer, at: number, bytes: Buffer, start: number): number {
  if (bytes.length - start > SHORT_BYTES) return at + bytes.copy(page, at, start);
  for (let i = start; i < bytes.length; i++) page[at++] = bytes[i]!;
  return at;
}

export class PageBuilder {
  private readonly page: Buffer = Buffer.alloc(BLOCK_BYTES);
  private readonly restarts: number[] = [];
  private at: number = PAGE.entries;
  private count = 0;
  private last: Buffer | undefined;

  /** Adds an entry behind the others; false where the page has no room. In inner pages values are pointers and `isOverflow` is false. */
  add(key: Buffer, value: Buffer, isOverflow: boolean): boolean {
    const isRestart = this.count % RESTART_INTERVAL === 0;
    const shared = isRestart ? 0 : sharedLength(this.last!, key);
    const tag = value.length * 2 + (isOverflow ? 1 : 0);
    const size = varintBytes(shared) + varintBytes(key.length - shared) + varintBytes(tag) + key.length - shared + value.length;
    if (this.at + size + (this.restarts.length + (isRestart ? 1 : 0)) * 2 > BLOCK_BYTES) return false;
    if (isRestart) this.restarts.push(this.at);
    let at = writeVarint(this.page, shared, this.at);
    at = writeVarint(this.page, key.length - shared, at);
    at = writeVarint(this.page, tag, at);
    at = putBytes(this.page, at, key, shared);
    this.at = putBytes(this.page, at, value, 0);
    this.count += 1;
    this.last = key;
    return true;
  }

  get entryCount(): number {
    return this.count;
  }

  get usedBytes(): number {
    return this.at - PAGE.entries + this.restarts.length * 2;
  }

  /** The finished page, which the next entry overwrites, and its checksum; the builder begins anew. */
  finish(level: number, birth: number, sequence: number): { readonly page: Buffer; readonly crc: number } {
    const { page } = this;
    assert(this.count > 0, "a page has an entry");
    page.fill(0, this.at);
    page.writeUInt32LE(MAGIC_NUMBER, PAGE.magic);
    page[PAGE.kind] = level === 0 ? PAGE_KIND.leaf : PAGE_KIND.inner;
    page[PAGE.level] = level;
    page.writeUInt16LE(this.count, PAGE.entryCount);
    page.writeUInt16LE(this.restarts.length, PAGE.restartCount);
    page.writeUInt16LE(this.at, PAGE.end);
    writeU64(page, birth, PAGE.birth);
    writeU64(page, sequence, PAGE.sequence);
    this.restarts.forEach((offset, i) => page.writeUInt16LE(offset, BLOCK_BYTES - (this.restarts.length - i) * 2));
    const crc = pageCrc(page);
    page.writeUInt32LE(crc, PAGE.crc);
    this.restarts.length = 0;
    this.at = PAGE.entries;
    this.count = 0;
    this.last = undefined;
    return { page, crc };
  }
}

/** Where a search in a page ended: one for all searches, as there is no time for a new one each; valid until the next. */
export const found: { valueStart: number; valueLength: number; isOverflow: boolean } = { valueStart: 0, valueLength: 0, isOverflow: false };

/** Whether a leaf has this very key; `found` says where its value lies. */
export function findEntry(page: Buffer, key: Buffer): boolean {
  return search(page, key) === 0;
}

/** In an inner page: the child that may hold `key`, the last one whose key is at or below it, or the first. */
export function findChild(page: Buffer, key: Buffer): PagePointer {
  search(page, key);
  return decodePointer(page, found.valueStart);
}

/**
 * `found` becomes the last entry at or below `key`, or the first one of the page. 0 where it is that key. No key is put together: while
 * entries are below `key`, how much of it the one before had says by its shared length alone how most of them compare.
 */
function search(page: Buffer, key: Buffer): number {
  const restartCount = page.readUInt16LE(PAGE.restartCount);
  const restartsAt = BLOCK_BYTES - restartCount * 2;
  let low = 0;
  for (let high = restartCount - 1; low < high;) {
    const middle = (low + high + 1) >> 1;
    if (compareWhole(page, page[restartsAt + middle * 2]! | (page[restartsAt + middle * 2 + 1]! << 8), key) <= 0) low = middle;
    else high = middle - 1;
  }
  let at = page[restartsAt + low * 2]! | (page[restartsAt + low * 2 + 1]! << 8);
  const end = Math.min(entryCount(page), (low + 1) * RESTART_INTERVAL);
  let matched = 0; // Bytes that `key` has in common with the entry before, which is below it.
  for (let index = low * RESTART_INTERVAL; index < end; index++) {
    at = readHead(page, at);
    const { shared, own } = head;
    let order = shared < matched ? 1 : -1; // It has more, or less, in common with the entry before than `key` has.
    if (shared === matched) {
      const length = Math.min(own, key.length - shared);
      let i = 0;
      while (i < length && page[at + i] === key[shared + i]) i++;
      order = i < length ? page[at + i]! - key[shared + i]! : shared + own - key.length;
      matched = shared + i;
    }
    if (order > 0 && index > 0) return 1;
    found.valueStart = at + own;
    found.valueLength = head.tag >>> 1;
    found.isOverflow = (head.tag & 1) === 1;
    if (order >= 0) return order;
    at += own + found.valueLength;
  }
  return -1;
}

/** Whether `key` lies between whole keys of this leaf: if no entry of it has the key, none of the tree does. */
export function spans(page: Buffer, key: Buffer): boolean {
  const last = page.readUInt16LE(BLOCK_BYTES - 2);
  return compareWhole(page, PAGE.entries, key) <= 0 && compareWhole(page, last, key) >= 0;
}

/** Compares the whole key of the restart at `at` with `key`. */
function compareWhole(page: Buffer, at: number, key: Buffer): number {
  const start = readHead(page, at);
  const length = Math.min(head.own, key.length);
  for (let i = 0; i < length; i++) {
    const difference = page[start + i]! - key[i]!;
    if (difference !== 0) return difference;
  }
  return head.own - key.length;
}

const head = { shared: 0, own: 0, tag: 0 };

/** The three numbers before an entry's key; returns where that begins. */
function readHead(page: Buffer, at: number): number {
  head.shared = page[at++]!;
  if (head.shared >= 0x80) head.shared = (head.shared & 0x7f) | (page[at++]! << 7); // Keys have at most 300 bytes.
  head.own = page[at++]!;
  if (head.own >= 0x80) head.own = (head.own & 0x7f) | (page[at++]! << 7);
  head.tag = page[at++]!;
  if (head.tag >= 0x80) head.tag = (head.tag & 0x7f) | (page[at++]! << 7); // Values have at most 1,024 in the page: 2,049.
  return at;
}

/** Walks the entries of one page in order. */
export class PageCursor {
  readonly page: Buffer;
  readonly count: number;
  /** Of the entry it stands on; -1 before the first. */
  index = -1;
  keyLength = 0;
  valueStart = 0;
  valueLength = 0;
  isOverflow = false;
  private readonly keyBytes = Buffer.allocUnsafe(KEY_BYTES_MAX);
  private at: number = PAGE.entries;
  private readonly restartCount: number;

  constructor(page: Buffer) {
    this.page = page;
    this.count = entryCount(page);
    this.restartCount = page.readUInt16LE(PAGE.restartCount);
  }

  /** To the next entry; false at the end. */
  next(): boolean {
    if (this.index + 1 >= this.count) return false;
    const { page } = this;
    const shared = this.varint();
    const own = this.varint();
    const tag = this.varint();
    let { at } = this;
    if (own < SHORT_BYTES) {
      const { keyBytes } = this;
      for (let i = 0; i < own; i++) keyBytes[shared + i] = page[at + i]!;
    } else page.copy(this.keyBytes, shared, at, at + own);
    at += own;
    this.keyLength = shared + own;
    this.isOverflow = (tag & 1) === 1;
    this.valueLength = tag >>> 1;
    this.valueStart = at;
    this.at = at + this.valueLength;
    this.index += 1;
    return true;
  }

  /** The key it stands on: a view that the next step overwrites. */
  keyView(): Buffer {
    return this.keyBytes.subarray(0, this.keyLength);
  }

  key(): Buffer {
    const key = Buffer.allocUnsafe(this.keyLength);
    for (let i = 0; i < key.length; i++) key[i] = this.keyBytes[i]!;
    return key;
  }

  /** A view into the page. */
  value(): Buffer {
    return this.page.subarray(this.valueStart, this.valueStart + this.valueLength);
  }

  pointer(): PagePointer {
    return decodePointer(this.page, this.valueStart);
  }

  /** Compares the key it stands on with `key`. */
  compare(key: Buffer): number {
    const { keyBytes, keyLength } = this;
    const length = Math.min(keyLength, key.length);
    for (let i = 0; i < length; i++) {
      const difference = keyBytes[i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return keyLength - key.length;
  }

  /** To the first entry with a key at or above `key`; false where all are below. */
  seek(key: Buffer): boolean {
    this.toRestart(this.restartBelow(key));
    while (this.next()) if (this.compare(key) >= 0) return true;
    return false;
  }

  /** In an inner page: stands on the child that may hold `key`, so that next() goes to its right neighbour. */
  standOnChild(key: Buffer): PagePointer {
    const restart = this.restartBelow(key);
    this.toRestart(restart);
    this.next();
    let { index } = this;
    while (this.next() && this.compare(key) <= 0) index = this.index;
    this.toRestart(Math.floor(index / RESTART_INTERVAL));
    while (this.index < index) this.next();
    return this.pointer();
  }

  /** The last restart whose key is below or at `key`, or the first one. */
  private restartBelow(key: Buffer): number {
    let low = 0;
    let high = this.restartCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      this.toRestart(middle);
      this.next();
      if (this.compare(key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private toRestart(restart: number): void {
    this.at = this.page.readUInt16LE(BLOCK_BYTES - (this.restartCount - restart) * 2);
    this.index = restart * RESTART_INTERVAL - 1;
  }

  private varint(): number {
    let byte = this.page[this.at++]!;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; ; shift += 7) {
      byte = this.page[this.at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}
