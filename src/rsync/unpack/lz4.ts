/** LZ4 blocks (lz4_Block_format.md of the LZ4 project): each chunk is one, and refers to nothing before it. */
import { broken } from "../failure.ts";
import type { Unpacker } from "./unpacker.ts";

const PLAIN_BYTES_MAX = 1 << 15; // A sender packs less than 16 KiB at once.
const MATCH_BYTES_MIN = 4;
const NIBBLE_FULL = 15;
const BYTE_FULL = 255;

export class Lz4Unpacker implements Unpacker {
  readonly needsCopies = false;
  private readonly plain = Buffer.allocUnsafeSlow(PLAIN_BYTES_MAX);
  private chunk: Buffer | undefined;

  begin(): void {}
  sync(): void {}
  remember(): void {}

  feed(chunk: Buffer): void {
    this.chunk = chunk;
  }

  next(): Buffer | undefined {
    const { chunk } = this;
    this.chunk = undefined;
    if (chunk === undefined) return undefined;
    const plainBytes = decodeLz4Block(chunk, this.plain);
    return plainBytes === 0 ? undefined : this.plain.subarray(0, plainBytes);
  }
}

/** Decodes one block into `plain`; how many bytes it has. Refuses what would read or write outside. */
export function decodeLz4Block(block: Buffer, plain: Buffer): number {
  let at = 0;
  let end = 0;
  const byte = (): number => {
    if (at >= block.length) throw broken("a packed chunk (lz4) ends early");
    return block[at++]!;
  };
  const length = (nibble: number): number => {
    let sum = nibble;
    if (nibble === NIBBLE_FULL)
      for (let more = BYTE_FULL; more === BYTE_FULL;) {
        more = byte();
        sum += more;
      }
    return sum;
  };
  for (;;) {
    const token = byte();
    const literalBytes = length(token >> 4);
    if (literalBytes > block.length - at) throw broken("a packed chunk (lz4) ends early");
    if (literalBytes > plain.length - end) throw broken(`a packed chunk (lz4) has more than ${plain.length} bytes`);
    end += block.copy(plain, end, at, at + literalBytes);
    at += literalBytes;
    if (at === block.length) return end;
    const distance = byte() + byte() * 256;
    const matchBytes = length(token & NIBBLE_FULL) + MATCH_BYTES_MIN;
    if (distance === 0 || distance > end) throw broken("a packed chunk (lz4) refers to what is not there");
    if (matchBytes > plain.length - end) throw broken(`a packed chunk (lz4) has more than ${plain.length} bytes`);
    for (const stop = end + matchBytes; end < stop; end++) plain[end] = plain[end - distance]!;
  }
}
