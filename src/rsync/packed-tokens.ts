/** Tokens whose literal bytes are packed: one form for all compressors. PROTOCOL.md "Packed content". */
import type { Cursor } from "./cursor.ts";
import { broken } from "./failure.ts";
import type { Inbox } from "./inbox.ts";
import { checkedBlock, CONTENT_END } from "./tokens.ts";
import type { Token, TokenReader } from "./tokens.ts";
import type { Unpacker } from "./unpack/index.ts";

/** A first byte: below LITERAL the first three alone, then by its two upper bits. */
export const PACKED = { end: 0x00, absolute: 0x20, absoluteRun: 0x21, literal: 0x40, relative: 0x80, relativeRun: 0xc0 } as const;
const VALUE_BITS = 0x3f;

interface Step {
  readonly chunk: Buffer | undefined;
  /** Of the basis; CONTENT_END where the content ends. */
  readonly block: number;
  /** Blocks that follow it. */
  readonly runCount: number;
}

export class PackedTokens implements TokenReader {
  private readonly inbox: Inbox;
  private readonly unpacker: Unpacker;
  private blockCount = 0;
  private block = 0;
  private runCount = 0;
  private isDraining = false;
  /** A block, or the end, that waits until all literal bytes before it are out. */
  private due: Step | undefined;

  constructor(inbox: Inbox, unpacker: Unpacker) {
    this.inbox = inbox;
    this.unpacker = unpacker;
  }

  get needsCopies(): boolean {
    return this.unpacker.needsCopies;
  }

  begin(blockCount: number): void {
    this.blockCount = blockCount;
    this.block = 0;
    this.runCount = 0;
    this.unpacker.begin();
  }

  *next(): Generator<undefined, Token> {
    for (;;) {
      if (this.isDraining) {
        const plain = this.unpacker.next();
        if (plain !== undefined) return plain;
        this.isDraining = false;
      }
      if (this.due !== undefined) return this.takeDue(this.due);
      if (this.runCount > 0) {
        this.runCount--;
        return checkedBlock(++this.block, this.blockCount);
      }
      const step = yield* this.inbox.read((cursor) => this.readStep(cursor));
      if (step.chunk === undefined) {
        this.due = step;
        this.unpacker.sync();
      } else this.unpacker.feed(step.chunk);
      this.isDraining = true;
    }
  }

  copied(bytes: Buffer): void {
    this.unpacker.remember(bytes);
  }

  private takeDue(due: Step): Token {
    this.due = undefined;
    if (due.block === CONTENT_END) return CONTENT_END;
    this.block = checkedBlock(due.block, this.blockCount);
    this.runCount = due.runCount;
    return this.block;
  }

  private readStep(cursor: Cursor): Step {
    const flag = cursor.u8();
    const value = flag & VALUE_BITS;
    if (flag >= PACKED.relative) return { chunk: undefined, block: this.block + value, runCount: flag >= PACKED.relativeRun ? cursor.u16() : 0 };
    if (flag >= PACKED.literal) return { chunk: cursor.bytes(value * 256 + cursor.u8()), block: 0, runCount: 0 };
    if (flag === PACKED.end) return { chunk: undefined, block: CONTENT_END, runCount: 0 };
    if (flag !== PACKED.absolute && flag !== PACKED.absoluteRun) throw broken(`packed content has the byte 0x${flag.toString(16)}`, { flag });
    const block = cursor.i32();
    return { chunk: undefined, block: checkedBlock(block, this.blockCount), runCount: flag === PACKED.absoluteRun ? cursor.u16() : 0 };
  }
}
