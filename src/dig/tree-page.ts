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
    at += key.copy(this.page, at, shared);
    this.at = at + value.copy(this.page, at);
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
    if (own < 24) {
      const { keyBytes } = this;
      for (let i = 0; i < own; i++) keyBytes[shared + i] = page[at + i]!; // Short copies cost less than a call into native code.
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
    return Buffer.from(this.keyBytes.subarray(0, this.keyLength));
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

  /** In an inner page: the place of the child that may hold `key`, the last one whose key is at or below it. */
  seekChild(key: Buffer): PagePointer {
    this.toRestart(this.restartBelow(key));
    this.next();
    let at = this.valueStart;
    while (this.next() && this.compare(key) <= 0) at = this.valueStart;
    return decodePointer(this.page, at);
  }

  /** As seekChild, and stays on that child, so that next() goes to its right neighbour. */
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
