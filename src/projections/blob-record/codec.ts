/**
 * A region's record in bytes: FORMAT.md "Blob record". Written so that what is usual costs one byte an extent: no gap before it,
 * the length of the extent before, the next chunk, from the chunk's start on.
 */
import { BLOCK_BYTES, REGION_BYTES } from "../../core/index.ts";
import type { ByteReader, ByteWriter } from "../../core/index.ts";
import { FIELDS } from "./record.ts";
import type { RegionRecord } from "./record.ts";

export const RECORD_VERSION = 1;
const FLAG_BLOCKS = 1; // Gaps, lengths and chunk offsets count blocks of 4 KiB.
const HAS_GAP = 1;
const HAS_LENGTH = 2;
const HAS_CHUNK_OFFSET = 4;
const STEP_SHIFT = 3;
const STEP_LIMIT = 31; // Steps to the next chunk below it lie in the head byte; 31: a varint follows.
const EXTENTS_MAX = REGION_BYTES; // One byte each.

function isInBlocks(record: RegionRecord): boolean {
  for (let i = 0; i < record.length; i += FIELDS) {
    if (record[i]! % BLOCK_BYTES !== 0 || record[i + 1]! % BLOCK_BYTES !== 0 || record[i + 3]! % BLOCK_BYTES !== 0) return false;
  }
  return true;
}

const zigzag = (value: number): number => (value < 0 ? -value * 2 - 1 : value * 2);
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

export function writeRecord(writer: ByteWriter, record: RegionRecord): void {
  const inBlocks = isInBlocks(record);
  const unit = inBlocks ? BLOCK_BYTES : 1;
  writer.u8(RECORD_VERSION * 2 + (inBlocks ? FLAG_BLOCKS : 0));
  writer.varint(record.length / FIELDS);
  let end = 0;
  let lastLength = 0;
  let lastChunk = 0;
  let follows = 0; // Where the next extent begins in its chunk, if it is of the same chunk.
  for (let i = 0; i < record.length; i += FIELDS) {
    const [offset, length, chunk, chunkOffset] = [record[i]!, record[i + 1]!, record[i + 2]!, record[i + 3]!];
    const step = zigzag(chunk - lastChunk);
    const expected = chunk === lastChunk ? follows : 0;
    let head = Math.min(step, STEP_LIMIT) << STEP_SHIFT;
    if (offset !== end) head |= HAS_GAP;
    if (length !== lastLength) head |= HAS_LENGTH;
    if (chunkOffset !== expected) head |= HAS_CHUNK_OFFSET;
    writer.u8(head);
    if (step >= STEP_LIMIT) writer.varint(step);
    if (offset !== end) writer.varint((offset - end) / unit);
    if (length !== lastLength) writer.varint(length / unit);
    if (chunkOffset !== expected) writer.varint(chunkOffset / unit);
    [end, lastLength, lastChunk, follows] = [offset + length, length, chunk, chunkOffset + length];
  }
}

export function readRecord(reader: ByteReader): RegionRecord {
  const first = reader.u8();
  if (first >> 1 !== RECORD_VERSION) reader.reject("a blob record of an unknown version");
  const unit = (first & FLAG_BLOCKS) === 0 ? 1 : BLOCK_BYTES;
  const count = reader.varint();
  if (count > EXTENTS_MAX) reader.reject("a blob record with too many extents");
  const record: number[] = [];
  let end = 0;
  let length = 0;
  let chunk = 0;
  let follows = 0;
  for (let i = 0; i < count; i++) {
    const head = reader.u8();
    const shortStep = head >> STEP_SHIFT;
    const step = unzigzag(shortStep === STEP_LIMIT ? reader.varint() : shortStep);
    const expected = step === 0 ? follows : 0;
    const offset = end + ((head & HAS_GAP) === 0 ? 0 : reader.varint() * unit);
    if ((head & HAS_LENGTH) !== 0) length = reader.varint() * unit;
    const chunkOffset = (head & HAS_CHUNK_OFFSET) === 0 ? expected : reader.varint() * unit;
    chunk += step;
    end = offset + length;
    follows = chunkOffset + length;
    if (length === 0 || end > REGION_BYTES || chunk < 1 || !Number.isSafeInteger(chunk)) reader.reject("a blob record with an extent out of range");
    record.push(offset, length, chunk, chunkOffset);
  }
  reader.finish();
  return record;
}
