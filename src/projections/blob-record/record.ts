/**
 * The bytes of one region (1 MiB) of a file: which chunk holds what. A record is a flat list of whole extents in ascending order
 * that never overlap, four numbers each: offset in the region, length, chunk, offset in the chunk. What none covers is zeros.
 * Records are immutable; every change gives a new one and reports each reference to a chunk that came or went.
 */
import type { ChunkNumber, Extent } from "../../core/index.ts";
import { REGION_BYTES } from "../../core/index.ts";

export type RegionRecord = readonly number[];

/** Told of every reference to a chunk that comes (+1) or goes (-1). */
export type CountReference = (chunk: number, delta: 1 | -1) => void;

export const EMPTY_RECORD: RegionRecord = [];
export const FIELDS = 4;

export function extentCount(record: RegionRecord): number {
  return record.length / FIELDS;
}

export function regionOf(offset: number): number {
  return Math.floor(offset / REGION_BYTES);
}

/** Where its last extent ends; 0 without. */
export function recordEnd(record: RegionRecord): number {
  return record.length === 0 ? 0 : record[record.length - FIELDS]! + record[record.length - FIELDS + 1]!;
}

/** The index (in extents) of the first extent that ends after `offset`. */
function firstEndingAfter(record: RegionRecord, offset: number): number {
  let low = 0;
  let high = extentCount(record);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (record[middle * FIELDS]! + record[middle * FIELDS + 1]! > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** [from, to) of the region becomes the bytes of `chunk` from `chunkOffset` on; with chunk 0 it becomes zeros. */
export function overwrite(record: RegionRecord, from: number, to: number, chunk: number, chunkOffset: number, count: CountReference): RegionRecord {
  const first = firstEndingAfter(record, from) * FIELDS;
  let end = first; // Of the extents that have a part in [from, to).
  for (; end < record.length && record[end]! < to; end += FIELDS) count(record[end + 2]!, -1);
  const isLeft = first < end && record[first]! < from;
  const last = end - FIELDS;
  const isRight = first < end && record[last]! + record[last + 1]! > to;
  const added = (isLeft ? FIELDS : 0) + (chunk === 0 ? 0 : FIELDS) + (isRight ? FIELDS : 0);
  const next = new Array<number>(first + added + record.length - end); // Its size is known: no array that grows.
  let at = 0;
  for (; at < first; at++) next[at] = record[at]!;
  if (isLeft) at = put(next, at, record[first]!, from - record[first]!, record[first + 2]!, record[first + 3]!, count);
  if (chunk !== 0) at = put(next, at, from, to - from, chunk, chunkOffset, count);
  if (isRight) at = put(next, at, to, record[last]! + record[last + 1]! - to, record[last + 2]!, record[last + 3]! + to - record[last]!, count);
  for (let i = end; i < record.length; i++) next[at++] = record[i]!;
  return next;
}

/** Puts an extent at `at`; returns where the next one goes. */
function put(record: number[], at: number, offset: number, length: number, chunk: number, chunkOffset: number, count: CountReference): number {
  record[at] = offset;
  record[at + 1] = length;
  record[at + 2] = chunk;
  record[at + 3] = chunkOffset;
  count(chunk, 1);
  return at + FIELDS;
}

/** Reports every reference of the record. */
export function countAll(record: RegionRecord, delta: 1 | -1, count: CountReference): void {
  for (let i = 2; i < record.length; i += FIELDS) count(record[i]!, delta);
}

/** Adds the extents that cover [from, to) of the file (within this region), clipped to it, to `into`. */
export function collectExtents(record: RegionRecord, region: number, from: number, to: number, into: Extent[]): void {
  const base = region * REGION_BYTES;
  for (let i = firstEndingAfter(record, from - base); i < extentCount(record); i++) {
    const start = base + record[i * FIELDS]!;
    if (start >= to) return;
    const end = Math.min(to, start + record[i * FIELDS + 1]!);
    const offset = Math.max(from, start);
    into.push({ offset, length: end - offset, chunk: record[i * FIELDS + 2]! as ChunkNumber, chunkOffset: record[i * FIELDS + 3]! + offset - start });
  }
}
