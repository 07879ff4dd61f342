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
  const first = firstEndingAfter(record, from);
  const next = record.slice(0, first * FIELDS);
  let i = first;
  let right: number[] = [];
  for (; i < extentCount(record) && record[i * FIELDS]! < to; i++) {
    const [offset, length, old, oldOffset] = [record[i * FIELDS]!, record[i * FIELDS + 1]!, record[i * FIELDS + 2]!, record[i * FIELDS + 3]!];
    if (old !== 0) count(old, -1);
    if (offset < from) {
      next.push(offset, from - offset, old, oldOffset);
      count(old, 1);
    }
    if (offset + length > to) {
      right = [to, offset + length - to, old, oldOffset + to - offset];
      count(old, 1);
    }
  }
  if (chunk !== 0) {
    next.push(from, to - from, chunk, chunkOffset);
    count(chunk, 1);
  }
  next.push(...right);
  for (let k = i * FIELDS; k < record.length; k++) next.push(record[k]!);
  return next;
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
