/** The content of a file as a server sends it: literal bytes, and blocks of the basis. PROTOCOL.md "Content". */
import { broken } from "./failure.ts";
import type { Inbox } from "./inbox.ts";
import { LITERAL_BYTES_MAX } from "./limits.ts";

/** Literal bytes (a view, valid until the next token), the number of a block, or CONTENT_END. */
export type Token = Buffer | number;
export const CONTENT_END = -1;

export interface TokenReader {
  /** Before each file: how many blocks its basis has. */
  begin(blockCount: number): void;
  next(): Generator<undefined, Token>;
  /** Whether `copied` must be told the bytes of each block that was copied. */
  readonly needsCopies: boolean;
  copied(bytes: Buffer): void;
}

export class PlainTokens implements TokenReader {
  readonly needsCopies = false;
  private readonly inbox: Inbox;
  private literalLeftBytes = 0;
  private blockCount = 0;

  constructor(inbox: Inbox) {
    this.inbox = inbox;
  }

  begin(blockCount: number): void {
    this.blockCount = blockCount;
  }

  *next(): Generator<undefined, Token> {
    if (this.literalLeftBytes === 0) {
      const value = yield* this.inbox.read((cursor) => cursor.i32());
      if (value === 0) return CONTENT_END;
      if (value < 0) return checkedBlock(-1 - value, this.blockCount);
      if (value > LITERAL_BYTES_MAX) throw broken(`it announces ${value} bytes at once`);
      this.literalLeftBytes = value;
    }
    for (;;) {
      const bytes = this.inbox.some(this.literalLeftBytes);
      this.literalLeftBytes -= bytes.length;
      if (bytes.length > 0) return bytes;
      yield undefined;
    }
  }

  copied(): void {}
}

export function checkedBlock(block: number, blockCount: number): number {
  if (block < 0 || block >= blockCount) throw broken(`it copies block ${block} of ${blockCount}`, { block, blockCount });
  return block;
}
