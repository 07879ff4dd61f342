/** zstd: one stream over all files of a session, flushed at each file's end. Node can follow such a stream only asynchronously, so the decoder is handed in. */
import { broken } from "../failure.ts";
import type { Unpacker } from "./unpacker.ts";

const PIECE_BYTES = 1 << 16;

export interface ZstdStream {
  /** Decodes as much of `from` as fits; sets counts[0] to the bytes taken and counts[1] to those given. False where `from` is not zstd's. */
  decode(from: Uint8Array, into: Uint8Array, counts: Uint32Array): boolean;
}

export class ZstdUnpacker implements Unpacker {
  readonly needsCopies = false;
  private readonly stream: ZstdStream;
  private readonly plain = Buffer.allocUnsafeSlow(PIECE_BYTES);
  private readonly counts = new Uint32Array(2);
  private chunk: Buffer = Buffer.alloc(0);
  /** The piece before was full, so more may be held back. */
  private mayHoldMore = false;

  constructor(stream: ZstdStream) {
    this.stream = stream;
  }

  begin(): void {}
  sync(): void {}
  remember(): void {}

  feed(chunk: Buffer): void {
    this.chunk = chunk;
  }

  next(): Buffer | undefined {
    while (this.chunk.length > 0 || this.mayHoldMore) {
      if (!this.stream.decode(this.chunk, this.plain, this.counts)) throw broken("packed bytes (zstd) cannot be decoded");
      const [takenBytes, givenBytes] = this.counts as unknown as readonly [number, number];
      if (takenBytes === 0 && givenBytes === 0 && !this.mayHoldMore) throw broken("packed bytes (zstd) lead nowhere");
      this.chunk = this.chunk.subarray(takenBytes);
      this.mayHoldMore = givenBytes === PIECE_BYTES;
      if (givenBytes > 0) return this.plain.subarray(0, givenBytes);
    }
    return undefined;
  }
}
