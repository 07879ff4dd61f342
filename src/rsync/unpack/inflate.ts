/**
 * Deflate (RFC 1951), as a stream that may stop at any byte: the protocol cuts it into chunks, takes the end of each flush away, and
 * with zlib lets it refer to bytes that never went through it. Node's zlib has none of this in calls that return at once.
 *
 * Invariant: `plain` holds up to 32 KiB of history before `from`, and from there to `end` what is not handed out yet.
 */
import { assert } from "../../core/index.ts";
import { broken } from "../failure.ts";
import { HuffmanCode } from "./huffman.ts";
import type { Unpacker } from "./unpacker.ts";

const HISTORY_BYTES = 1 << 15;
const PIECE_BYTES = 1 << 15;
const MATCH_BYTES_MAX = 258;
const FLUSH_END = Buffer.from([0, 0, 0xff, 0xff]); // What a sender leaves out at the end of each flush.
const REMEMBERED_BYTES_MAX = 0xffff;

const LENGTH_BASE = Uint16Array.of(3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258);
const LENGTH_EXTRA = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0);
const DISTANCE_BASE = Uint16Array.from({ length: 30 }, (_, i) => (i < 4 ? i + 1 : (2 + (i & 1)) * 2 ** ((i >> 1) - 1) + 1));
const DISTANCE_EXTRA = Uint8Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1));
const LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const FIXED_LITERALS = HuffmanCode.of(Uint8Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)))!;
const FIXED_DISTANCES = HuffmanCode.of(new Uint8Array(32).fill(5))!;
const END_OF_BLOCK = 256;

type State =
  | "block"
  | "storedLength"
  | "stored"
  | "tableSizes"
  | "lengthCodes"
  | "codeLengths"
  | "symbol"
  | "lengthExtra"
  | "distance"
  | "distanceExtra"
  | "match"
  | "over";

export class InflateUnpacker implements Unpacker {
  readonly needsCopies: boolean;
  private readonly repeatsLongCopies: boolean;
  private input: Buffer = Buffer.alloc(0);
  private at = 0;
  private bits = 0;
  private bitCount = 0;
  private readonly plain = Buffer.allocUnsafeSlow(HISTORY_BYTES + PIECE_BYTES + MATCH_BYTES_MAX);
  private from = 0;
  private end = 0;
  private state: State = "block";
  private isLastBlock = false;
  private storedBytes = 0;
  private sizes = { literals: 0, distances: 0, lengthCodes: 0 };
  private readonly lengths = new Uint8Array(320);
  private lengthCount = 0;
  private lengthCode = FIXED_LITERALS;
  private literals = FIXED_LITERALS;
  private distances = FIXED_DISTANCES;
  private symbol = 0;
  private matchBytes = 0;
  private matchDistance = 0;
  private hasFed = false;

  /** `needsCopies`: copied blocks count as history (zlib, not zlibx). `repeatsLongCopies`: as senders before protocol 31 do. */
  constructor(options: { readonly needsCopies: boolean; readonly repeatsLongCopies: boolean }) {
    this.needsCopies = options.needsCopies;
    this.repeatsLongCopies = options.repeatsLongCopies;
  }

  begin(): void {
    this.from = this.end = 0;
    this.bits = this.bitCount = 0;
    this.state = "block";
    this.isLastBlock = false;
    this.hasFed = false;
  }

  feed(chunk: Buffer): void {
    assert(this.at === this.input.length, "the last chunk was used up");
    this.input = chunk;
    this.at = 0;
    this.hasFed = true;
  }

  sync(): void {
    if (!this.hasFed) return;
    this.feed(FLUSH_END);
    this.hasFed = false;
  }

  next(): Buffer | undefined {
    this.from = this.end;
    if (this.end > HISTORY_BYTES) {
      this.plain.copyWithin(0, this.end - HISTORY_BYTES, this.end);
      this.from = this.end = HISTORY_BYTES;
    }
    while (this.end - this.from < PIECE_BYTES && this.step());
    return this.end === this.from ? undefined : this.plain.subarray(this.from, this.end);
  }

  remember(bytes: Buffer): void {
    if (!this.needsCopies) return;
    if (!this.repeatsLongCopies || bytes.length <= REMEMBERED_BYTES_MAX) return this.addHistory(bytes);
    this.addHistory(bytes.subarray(0, REMEMBERED_BYTES_MAX));
    this.addHistory(bytes.subarray(0, bytes.length - REMEMBERED_BYTES_MAX));
  }

  private addHistory(bytes: Buffer): void {
    const history = Buffer.concat([this.plain.subarray(Math.max(0, this.end - HISTORY_BYTES), this.end), bytes]).subarray(-HISTORY_BYTES);
    this.end = this.from = history.copy(this.plain);
  }

  /** One step; false where it needs more input. */
  private step(): boolean {
    switch (this.state) {
      case "block":
        return this.readBlockHeader();
      case "storedLength":
        return this.readStoredLength();
      case "stored":
        return this.copyStored();
      case "tableSizes":
        return this.readTableSizes();
      case "lengthCodes":
        return this.readLengthCodes();
      case "codeLengths":
        return this.readCodeLengths();
      case "symbol":
        return this.readSymbols();
      case "lengthExtra":
        return this.readLengthExtra();
      case "distance":
        return this.readDistance();
      case "distanceExtra":
        return this.readDistanceExtra();
      case "match":
        return this.copyMatch();
      case "over":
        if (this.at < this.input.length) throw broken("packed bytes follow their own end");
        return false;
    }
  }

  /** Takes bytes in until there are `count` bits (at most 24); false where there are not. */
  private has(count: number): boolean {
    while (this.bitCount < count) {
      if (this.at === this.input.length) return false;
      this.bits |= this.input[this.at++]! << this.bitCount;
      this.bitCount += 8;
    }
    return true;
  }

  private take(count: number): number {
    const value = this.bits & ((1 << count) - 1);
    this.bits >>>= count;
    this.bitCount -= count;
    return value;
  }

  private readBlockHeader(): boolean {
    if (this.isLastBlock) {
      this.state = "over";
      return true;
    }
    if (!this.has(3)) return false;
    this.isLastBlock = this.take(1) === 1;
    const kind = this.take(2);
    if (kind === 3) throw broken("packed bytes have a block of no known kind");
    if (kind === 0) this.take(this.bitCount % 8);
    this.literals = FIXED_LITERALS;
    this.distances = FIXED_DISTANCES;
    this.state = kind === 0 ? "storedLength" : kind === 1 ? "symbol" : "tableSizes";
    return true;
  }

  private readStoredLength(): boolean {
    // 32 bits are more than `has` may hold, so two bytes of them at a time.
    if (this.storedBytes === 0) {
      if (!this.has(16)) return false;
      this.storedBytes = this.take(16) + 1;
    }
    if (!this.has(16)) return false;
    const lengthBytes = this.storedBytes - 1;
    if ((this.take(16) ^ 0xffff) !== lengthBytes) throw broken("packed bytes have a stored block whose lengths differ");
    this.storedBytes = lengthBytes;
    this.state = lengthBytes === 0 ? "block" : "stored";
    return true;
  }

  private copyStored(): boolean {
    while (this.bitCount >= 8 && this.storedBytes > 0) {
      this.plain[this.end++] = this.take(8);
      this.storedBytes--;
    }
    const count = Math.min(this.storedBytes, this.input.length - this.at, this.plain.length - this.end);
    if (count === 0 && this.storedBytes > 0) return false;
    this.end += this.input.copy(this.plain, this.end, this.at, this.at + count);
    this.at += count;
    this.storedBytes -= count;
    if (this.storedBytes === 0) this.state = "block";
    return true;
  }

  private readTableSizes(): boolean {
    if (!this.has(14)) return false;
    this.sizes = { literals: this.take(5) + 257, distances: this.take(5) + 1, lengthCodes: this.take(4) + 4 };
    if (this.sizes.literals > 286 || this.sizes.distances > 30) throw broken("packed bytes have too many codes");
    this.lengths.fill(0);
    this.lengthCount = 0;
    this.state = "lengthCodes";
    return true;
  }

  private readLengthCodes(): boolean {
    for (; this.lengthCount < this.sizes.lengthCodes; this.lengthCount++) {
      if (!this.has(3)) return false;
      this.lengths[LENGTHS_ORDER[this.lengthCount]!] = this.take(3);
    }
    this.lengthCode = codeOf(this.lengths.subarray(0, 19));
    this.lengths.fill(0);
    this.lengthCount = 0;
    this.state = "codeLengths";
    return true;
  }

  private readCodeLengths(): boolean {
    const { literals, distances } = this.sizes;
    while (this.lengthCount < literals + distances) {
      this.has(14); // A code of at most 7 bits, and 7 more; near the end of the input fewer may do.
      const found = decoded(this.lengthCode, this.bits, this.bitCount);
      if (found === 0) return false;
      const [symbol, codeBits] = [found >> 4, found & 15];
      const extraBits = symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
      if (this.bitCount < codeBits + extraBits) return false;
      this.take(codeBits);
      const repeatCount = symbol < 16 ? 1 : this.take(extraBits) + (symbol === 18 ? 11 : 3);
      if (symbol === 16 && this.lengthCount === 0) throw broken("packed bytes repeat a length before there is one");
      const length = symbol < 16 ? symbol : symbol === 16 ? this.lengths[this.lengthCount - 1]! : 0;
      if (this.lengthCount + repeatCount > literals + distances) throw broken("packed bytes have too many lengths");
      this.lengths.fill(length, this.lengthCount, this.lengthCount + repeatCount);
      this.lengthCount += repeatCount;
    }
    if (this.lengths[END_OF_BLOCK] === 0) throw broken("packed bytes have a block without end");
    this.literals = codeOf(this.lengths.slice(0, literals));
    this.distances = codeOf(this.lengths.slice(literals, literals + distances));
    this.state = "symbol";
    return true;
  }

  /** As many literals as there are, up to the first length. */
  private readSymbols(): boolean {
    const { literals, plain } = this;
    for (;;) {
      this.has(15);
      const found = decoded(literals, this.bits, this.bitCount);
      if (found === 0) return false;
      this.take(found & 15);
      const symbol = found >> 4;
      if (symbol < END_OF_BLOCK) {
        plain[this.end++] = symbol;
        if (this.end - this.from >= PIECE_BYTES) return true;
        continue;
      }
      if (symbol > 285) throw broken("packed bytes have a length of no known code");
      this.symbol = symbol - 257;
      this.state = symbol === END_OF_BLOCK ? "block" : "lengthExtra";
      return true;
    }
  }

  private readLengthExtra(): boolean {
    const extraBits = LENGTH_EXTRA[this.symbol]!;
    if (!this.has(extraBits)) return false;
    this.matchBytes = LENGTH_BASE[this.symbol]! + this.take(extraBits);
    this.state = "distance";
    return true;
  }

  private readDistance(): boolean {
    this.has(15);
    const found = decoded(this.distances, this.bits, this.bitCount);
    if (found === 0) return false;
    this.take(found & 15);
    this.symbol = found >> 4;
    if (this.symbol > 29) throw broken("packed bytes have a distance of no known code");
    this.state = "distanceExtra";
    return true;
  }

  private readDistanceExtra(): boolean {
    const extraBits = DISTANCE_EXTRA[this.symbol]!;
    if (!this.has(extraBits)) return false;
    this.matchDistance = DISTANCE_BASE[this.symbol]! + this.take(extraBits);
    if (this.matchDistance > this.end) throw broken("packed bytes refer to what is not there");
    this.state = "match";
    return true;
  }

  private copyMatch(): boolean {
    const { plain, matchDistance } = this;
    for (const stop = this.end + this.matchBytes; this.end < stop; this.end++) plain[this.end] = plain[this.end - matchDistance]!;
    this.state = "symbol";
    return true;
  }
}

function codeOf(lengths: Uint8Array): HuffmanCode {
  const code = HuffmanCode.of(lengths);
  if (code === undefined) throw broken("packed bytes have lengths that make no code");
  return code;
}

function decoded(code: HuffmanCode, bits: number, bitCount: number): number {
  const found = code.decode(bits, bitCount);
  if (found < 0) throw broken("packed bytes have a code that stands for nothing");
  return found;
}
