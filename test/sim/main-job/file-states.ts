/**
 * Every content that a recorded file ever had: each write or truncation of the recording makes a new one. A content is known by its
 * fingerprint, the sum of its blocks' hashes, so that a write costs the blocks that it touches.
 */
import { createHash } from "node:crypto";
import { KIND } from "../power-cut/rebuild.ts";
import type { LogRecord, Recording } from "../power-cut/rebuild.ts";

const BLOCK_BYTES = 4096;
const HASH_SPAN = 2n ** 64n;

/** One content: what the file held after record `from` and before record `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export class FileStates {
  private bytes = Buffer.alloc(1 << 20);
  private sizeBytes = 0;
  private readonly hashes: bigint[] = [];
  private sum = 0n;
  private since = 0;
  private readonly spans = new Map<string, Span[]>();

  /** `path`: as the recorded process opened it. The file does not exist before. */
  constructor(recording: Recording, path: string) {
    let file = 0;
    for (const [index, record] of recording.records.entries()) {
      if (record.kind === KIND.open && record.data.toString() === path) file = record.file;
      const isUnlinked = record.kind === KIND.unlink && record.data.toString() === path;
      if (!isUnlinked && (record.file !== file || file === 0)) continue;
      if (record.kind === KIND.write) this.change(index, () => this.write(record));
      if (record.kind === KIND.truncate) this.change(index, () => this.truncate(record.offset));
      if (isUnlinked) this.change(index, () => this.truncate(0));
    }
    this.note(recording.records.length);
  }

  get count(): number {
    return this.spans.size;
  }

  /** When the file held exactly these bytes. */
  spansOf(content: Buffer): readonly Span[] {
    return this.spans.get(fingerprint(content.length, sumOf(content))) ?? [];
  }

  private change(index: number, apply: () => void): void {
    this.note(index);
    apply();
    this.since = index;
  }

  private note(until: number): void {
    const key = fingerprint(this.sizeBytes, this.sum);
    const spans = this.spans.get(key) ?? [];
    this.spans.set(key, spans);
    spans.push({ from: this.since, to: until });
  }

  private write({ offset, data }: LogRecord): void {
    const end = offset + data.length;
    if (end > this.bytes.length) this.bytes = Buffer.concat([this.bytes], Math.max(end, this.bytes.length * 2));
    data.copy(this.bytes, offset);
    const from = Math.min(offset, this.sizeBytes);
    this.sizeBytes = Math.max(this.sizeBytes, end);
    this.rehash(from, end);
  }

  private truncate(sizeBytes: number): void {
    const [from, to] = [Math.min(sizeBytes, this.sizeBytes), Math.max(sizeBytes, this.sizeBytes)];
    if (sizeBytes > this.bytes.length) this.bytes = Buffer.concat([this.bytes], sizeBytes);
    this.bytes.fill(0, from, to);
    this.sizeBytes = sizeBytes;
    this.rehash(from, to);
  }

  private rehash(from: number, to: number): void {
    for (let block = Math.floor(from / BLOCK_BYTES); block * BLOCK_BYTES < to; block++) {
      const start = block * BLOCK_BYTES;
      const hash = start < this.sizeBytes ? blockHash(block, this.bytes.subarray(start, Math.min(this.sizeBytes, start + BLOCK_BYTES))) : 0n;
      this.sum += hash - (this.hashes[block] ?? 0n);
      this.hashes[block] = hash;
    }
  }
}

function blockHash(block: number, bytes: Buffer): bigint {
  return createHash("sha256").update(`${block} `).update(bytes).digest().readBigUInt64LE(0);
}

function sumOf(content: Buffer): bigint {
  let sum = 0n;
  for (let block = 0; block * BLOCK_BYTES < content.length; block++) sum += blockHash(block, content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
  return sum;
}

function fingerprint(sizeBytes: number, sum: bigint): string {
  return `${sizeBytes} ${((sum % HASH_SPAN) + HASH_SPAN) % HASH_SPAN}`;
}
