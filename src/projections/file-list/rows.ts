/**
 * The rows in which a mirror remembers (memory.ts): FORMAT.md "What a mirror remembers". A key is a prefix byte and then what sorts;
 * a path of more than 1,024 bytes stands in it as its first 992 and its SHA-256, and whole in the value.
 */
import { createHash } from "node:crypto";
import { ByteReader, ByteWriter, bytesOf, RainbowError, readObjectPlace, writeObjectPlace } from "../../core/index.ts";
import type { ByteString, TimeUs } from "../../core/index.ts";
import type { FileEntry } from "./file-list.ts";
import type { ClaimedFile, RememberedSums } from "./memory.ts";

export const ROW = {
  format: 0x01,
  deletion: 0x10,
  dueDeletion: 0x11,
  late: 0x20,
  lateDigest: 0x21,
  claim: 0x22,
  sums: 0x30,
  alike: 0x31,
  intents: 0x40,
} as const;
export const MEMORY_VERSION = 1;

const PATH_BYTES_MAX = 4096;
export const KEY_PATH_BYTES_MAX = 1024; // A key of the store may have 1,978.
const HASHED_HEAD_BYTES = 992;
const FINGERPRINT_BYTES = 16;
const DIGEST_BYTES_MAX = 64;
const BLOCKS_MAX = 2 ** 31 - 1; // The protocol's own limit.

const corrupt = (why: string): Error =>
  new RainbowError(
    "STORE_CORRUPT",
    `what the mirror remembers beside its events is damaged (${why}): remove the file memory.lmdb, and the next sync finds it again`,
    { why },
  );

export function readerOf(value: Buffer): ByteReader {
  return new ByteReader(value, corrupt);
}

function hashed(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** What stands for a path in a key. */
export function pathPart(path: ByteString): Buffer {
  const bytes = bytesOf(path);
  return bytes.length <= KEY_PATH_BYTES_MAX ? bytes : Buffer.concat([bytes.subarray(0, HASHED_HEAD_BYTES), hashed(bytes)]);
}

export function pathKey(prefix: number, path: ByteString): Buffer {
  return Buffer.concat([Buffer.from([prefix]), pathPart(path)]);
}

/** By due time, then what lies deeper first. */
export function dueKey(dueUs: TimeUs, path: ByteString): Buffer {
  const head = Buffer.alloc(11);
  head[0] = ROW.dueDeletion;
  head.writeBigUInt64BE(BigInt(dueUs), 1);
  head.writeUInt16BE(0xffff - path.split("/").length, 9);
  return Buffer.concat([head, pathPart(path)]);
}

/** Everything that is due at `nowUs` lies before it. */
export function dueEnd(nowUs: TimeUs): Buffer {
  const end = Buffer.alloc(9);
  end[0] = ROW.dueDeletion;
  end.writeBigUInt64BE(BigInt(nowUs) + 1n, 1);
  return end;
}

export function encodeDeletion(path: ByteString, dueUs: TimeUs): Buffer {
  const writer = new ByteWriter(path.length + 12);
  writer.varint(dueUs);
  writer.byteString(path);
  return writer.view();
}

export function decodeDeletion(value: Buffer): { readonly path: ByteString; readonly dueUs: TimeUs } {
  const reader = readerOf(value);
  const dueUs = reader.varint() as TimeUs;
  return { dueUs, path: reader.byteString(PATH_BYTES_MAX) };
}

export function encodeLate(path: ByteString, mark: number): Buffer {
  return encodeDeletion(path, mark as TimeUs);
}

export function decodeLate(value: Buffer): { readonly path: ByteString; readonly mark: number } {
  const { path, dueUs } = decodeDeletion(value);
  return { path, mark: dueUs };
}

export function intentsKey(mark: number): Buffer {
  const key = Buffer.alloc(9);
  key[0] = ROW.intents;
  key.writeBigUInt64BE(BigInt(mark), 1);
  return key;
}

export function markOfIntents(key: Buffer): number {
  return Number(key.readBigUInt64BE(1));
}

export function encodeIntents(keys: readonly ByteString[]): Buffer {
  const writer = new ByteWriter(keys.length * 64);
  for (const key of keys) writer.byteString(key);
  return writer.view();
}

export function* decodeIntents(value: Buffer): IterableIterator<ByteString> {
  const reader = readerOf(value);
  while (reader.remaining > 0) yield reader.byteString(PATH_BYTES_MAX);
}

export function encodeClaim({ path, place, claim }: ClaimedFile): Buffer {
  const writer = new ByteWriter(path.length + 128);
  writer.byteString(path);
  writeObjectPlace(writer, place);
  writer.byteString(claim.digest as ByteString);
  writer.signed(claim.seed);
  writer.sized(claim.bytes);
  return writer.view();
}

export function decodeClaim(value: Buffer): ClaimedFile {
  const reader = readerOf(value);
  const path = reader.byteString(PATH_BYTES_MAX);
  const place = readObjectPlace(reader) ?? reader.reject("a claim of no object");
  const claim = { digest: reader.byteString(16), seed: reader.signed(), bytes: reader.sizedCopy(DIGEST_BYTES_MAX) };
  reader.finish();
  return { path, place, claim };
}

export type Stamp = Pick<FileEntry, "sizeBytes" | "mtimeSeconds" | "mtimeNanos">;

/** Where files of this size, time and last part of the path stand side by side. */
export function alikePrefix(path: ByteString, { sizeBytes, mtimeSeconds, mtimeNanos }: Stamp): Buffer {
  const writer = new ByteWriter(64);
  writer.varint(sizeBytes);
  writer.signed(mtimeSeconds);
  writer.varint(mtimeNanos);
  writer.byteString(path.slice(path.lastIndexOf("/") + 1) as ByteString);
  return Buffer.concat([Buffer.from([ROW.alike]), hashed(writer.view()).subarray(0, FINGERPRINT_BYTES)]);
}

export interface SumsRow {
  readonly path: ByteString;
  readonly stamp: Stamp;
  readonly sums: RememberedSums;
}

export function encodeSums({ path, stamp, sums }: SumsRow): Buffer {
  const writer = new ByteWriter(sums.sums.length + path.length + 64);
  writer.byteString(path);
  writer.varint(stamp.sizeBytes);
  writer.signed(stamp.mtimeSeconds);
  writer.varint(stamp.mtimeNanos);
  writer.byteString(sums.digest as ByteString);
  writer.signed(sums.seed);
  for (const number of [sums.blockBytes, sums.remainderBytes, sums.strongBytes, sums.blockCount]) writer.varint(number);
  writer.u8(sums.offsets === undefined ? 0 : 1);
  let before = 0;
  for (const offset of sums.offsets ?? []) {
    writer.varint(offset - before);
    before = offset;
  }
  writer.bytes(sums.sums);
  return writer.view();
}

/** Path and stamp alone, of a value that begins with them. */
export function stampOfSums(value: Buffer): { readonly path: ByteString; readonly stamp: Stamp } {
  return readStamp(readerOf(value));
}

function readStamp(reader: ByteReader): { readonly path: ByteString; readonly stamp: Stamp } {
  const path = reader.byteString(PATH_BYTES_MAX);
  return { path, stamp: { sizeBytes: reader.varint(), mtimeSeconds: reader.signed(), mtimeNanos: reader.varint() } };
}

export function decodeSums(value: Buffer): SumsRow {
  const reader = readerOf(value);
  const { path, stamp } = readStamp(reader);
  const digest = reader.byteString(16);
  const seed = reader.signed();
  const [blockBytes, remainderBytes, strongBytes, blockCount] = [reader.varint(), reader.varint(), reader.varint(), reader.varint()];
  if (blockCount > BLOCKS_MAX || strongBytes > 64) reader.reject("sums out of range");
  const offsets = reader.u8() === 0 ? undefined : readOffsets(reader, blockCount);
  const sums = Buffer.from(reader.bytes(blockCount * (4 + strongBytes)));
  reader.finish();
  return { path, stamp, sums: { digest, seed, blockBytes, remainderBytes, strongBytes, blockCount, sums, offsets } };
}

function readOffsets(reader: ByteReader, blockCount: number): number[] {
  if (blockCount > reader.remaining) reader.reject("more blocks than bytes");
  const offsets: number[] = [];
  let offset = 0;
  for (let i = 0; i < blockCount; i++) offsets.push((offset += reader.varint()));
  return offsets;
}
