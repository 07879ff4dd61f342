/**
 * How an upload is cut into parts. Amazon S3 User Guide, "Amazon S3 multipart upload limits": at most 10,000 parts, each of 5 MiB to
 * 5 GiB but the last, which may be smaller. Every S3 server takes what keeps to these.
 */
import { RainbowError } from "../../core/index.ts";

const MIB = 2 ** 20;
export const PART_BYTES_MIN = 5 * MIB;
const PARTS_MAX = 10_000;
const PARTS_AIMED = 9_000; // Room for a file that is bigger than its list said.
const PART_BYTES_USUAL = 8 * MIB;
/** Three parts are in memory for each upload, so this bounds it; and with it a file, to 562 GiB. */
const PART_BYTES_MAX = 64 * MIB;
export const FILE_BYTES_MAX = PART_BYTES_MAX * PARTS_AIMED;
/** One request copies no more: a server answers when all is copied, and a proxy between may not wait for long. */
export const COPY_BYTES_MAX = 512 * MIB;

export interface PartSizes {
  /** A part of bytes that were written. */
  readonly partBytes: number;
  /** No part but the last is smaller. */
  readonly partBytesMin: number;
}

export function partSizesFor(sizeBytes: number): PartSizes {
  const needed = Math.ceil(sizeBytes / PARTS_AIMED / MIB) * MIB;
  if (needed > PART_BYTES_MAX) {
    throw new RainbowError("LIMIT", `a file of ${sizeBytes} bytes is too big for a bucket: it takes ${FILE_BYTES_MAX} at most`, { sizeBytes });
  }
  return { partBytes: Math.max(PART_BYTES_USUAL, needed), partBytesMin: Math.max(PART_BYTES_MIN, needed) };
}

export function checkPartNumber(part: number): void {
  if (part <= PARTS_MAX) return;
  throw new RainbowError("LIMIT", `the upload needs more than ${PARTS_MAX} parts: the file grew far beyond the size that it was announced with`, { part });
}

/** The pieces of a copy inside the store, none smaller than `partBytesMin` where `lengthBytes` is not. */
export function copyPieces(offsetBytes: number, lengthBytes: number): { offsetBytes: number; lengthBytes: number }[] {
  const count = Math.max(1, Math.ceil(lengthBytes / COPY_BYTES_MAX));
  const edge = (index: number): number => Math.floor((lengthBytes * index) / count);
  return Array.from({ length: count }, (_, index) => ({ offsetBytes: offsetBytes + edge(index), lengthBytes: edge(index + 1) - edge(index) }));
}
