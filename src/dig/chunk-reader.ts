/** Reads chunks where a row says they are, and believes nothing that does not match its hash. */
import { hash as digest } from "node:crypto";
import { BLOCK_BYTES, CHUNK_BYTES_MAX, ENCODING, RainbowError } from "../core/index.ts";
import type { DiskFile, Zstd } from "../core/index.ts";
import type { RunRow } from "./run.ts";

export class ChunkReader {
  readonly zstd: Zstd;
  private readonly file: DiskFile;
  /** The machine's key, with room behind it for a chunk: hashed in one call. */
  private readonly keyed: Buffer;
  private readonly keyBytes: number;
  /** Stored bytes on their way to the decoder: memory that is made anew for each chunk keeps the garbage collector busier than decoding does. */
  private readonly encoded = Buffer.alloc(CHUNK_BYTES_MAX);

  constructor(file: DiskFile, hashKey: Buffer, zstd: Zstd) {
    this.zstd = zstd;
    this.file = file;
    this.keyBytes = hashKey.length;
    this.keyed = Buffer.alloc(hashKey.length + CHUNK_BYTES_MAX);
    hashKey.copy(this.keyed);
  }

  hashOf(plain: Buffer): Buffer {
    plain.copy(this.keyed, this.keyBytes);
    return digest("sha256", this.keyed.subarray(0, this.keyBytes + plain.length), "buffer");
  }

  /** The bytes as they are, padded where the file ends early. */
  readStored(row: RunRow, index: number): Buffer {
    return this.fill(Buffer.allocUnsafe(row.storedBytes(index)), row, index);
  }

  /** Plain bytes; undefined where they are not what was stored. */
  readGood(row: RunRow, index: number): Buffer | undefined {
    const encoding = row.encoding(index);
    const stored = encoding === ENCODING.raw ? this.readStored(row, index) : this.passing(row, index);
    const plain = decodeChunk(this.zstd, stored, encoding, row.lengthBytes(index));
    return plain !== undefined && this.isMatching(plain, row, index) ? plain : undefined;
  }

  /** readVerified, straight into `into`, which has the chunk's length. */
  readVerifiedInto(row: RunRow, index: number, into: Buffer): void {
    const isRaw = row.encoding(index) === ENCODING.raw && row.storedBytes(index) === into.length;
    const isThere = isRaw ? this.fill(into, row, index) === into : this.zstd.decompressInto(this.passing(row, index), into);
    if (!isThere || !this.isMatching(into, row, index)) throw damaged(row, index);
  }

  /** Stored bytes that are valid until the next call. */
  private passing(row: RunRow, index: number): Buffer {
    const byteCount = row.storedBytes(index);
    return byteCount > this.encoded.length ? this.readStored(row, index) : this.fill(this.encoded.subarray(0, byteCount), row, index);
  }

  private isMatching(plain: Buffer, row: RunRow, index: number): boolean {
    return row.hashPrefix(index).compare(this.hashOf(plain), 0, 16) === 0;
  }

  private fill(stored: Buffer, row: RunRow, index: number): Buffer {
    const byteCount = this.file.read(stored, row.start * BLOCK_BYTES + row.offset(index));
    return byteCount === stored.length ? stored : stored.fill(0, byteCount);
  }

  /** Plain bytes; DIG_CHECKSUM with chunk and block where they are not what was stored. */
  readVerified(row: RunRow, index: number): Buffer {
    const plain = this.readGood(row, index);
    if (plain !== undefined) return plain;
    throw damaged(row, index);
  }
}

function damaged(row: RunRow, index: number): RainbowError {
  const [chunk, block] = [row.first + index, row.start + Math.floor(row.offset(index) / BLOCK_BYTES)];
  const what = `chunk ${chunk} is damaged (block ${block} of the data file): \`rainbow repair\` mends it where the live file still holds it`;
  return new RainbowError("DIG_CHECKSUM", what, { chunk, block });
}

/** Plain bytes of the known length; undefined where the stored ones do not give them. */
export function decodeChunk(zstd: Zstd, stored: Buffer, encoding: number, lengthBytes: number): Buffer | undefined {
  if (encoding === ENCODING.raw) return stored.length === lengthBytes ? stored : undefined;
  return zstd.decompress(stored, lengthBytes);
}
