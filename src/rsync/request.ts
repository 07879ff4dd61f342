/** A request for a file's content, and the head of the answer. PROTOCOL.md "Requests". */
import { assert } from "../core/index.ts";
import type { Agreement } from "./agreement.ts";
import type { Basis } from "./block-sums.ts";
import type { Cursor } from "./cursor.ts";
import type { Entry } from "./entry.ts";
import { broken } from "./failure.ts";
import type { FileList } from "./open-lists.ts";
import type { Outbox } from "./writer.ts";

export const ITEM_TRANSFER = 0x8000;
export const ATTEMPTS_MAX = 2;

export interface Request {
  readonly index: number;
  readonly entry: Entry;
  readonly list: FileList;
  /** What the server compares with; the second attempt has none, so that a basis that changed cannot spoil it again. */
  basis: Basis | undefined;
  attempt: number;
  isSent: boolean;
}

/** A request as the server reads it. */
export function writeRequest(outbox: Outbox, request: Request, agreement: Agreement): void {
  outbox.index(request.index, agreement.protocol);
  if (agreement.protocol >= 29) outbox.u16(ITEM_TRANSFER);
  const { basis } = request;
  outbox.i32(basis?.blockCount ?? 0);
  outbox.i32(basis?.blockBytes ?? 0);
  outbox.i32(basis?.strongBytes ?? 0);
  outbox.i32(basis?.remainderBytes ?? 0);
  if (basis !== undefined) outbox.bytes(basis.sums);
  request.isSent = true;
}

/** What stands before a file's content: the server repeats the request's words. Refuses all that was not asked. */
export function readAnswerHead(cursor: Cursor, request: Request | undefined, index: number, agreement: Agreement): Request {
  if (request === undefined || !request.isSent) throw broken("it sends a file that was not asked for", { index });
  if (agreement.protocol >= 29) {
    const flags = cursor.u16();
    if (flags !== ITEM_TRANSFER) throw broken(`it answers with the flags 0x${flags.toString(16)}`, { index, flags });
  }
  const head = [cursor.i32(), cursor.i32(), cursor.i32(), cursor.i32()];
  const { basis } = request;
  const asked = [basis?.blockCount ?? 0, basis?.blockBytes ?? 0, basis?.strongBytes ?? 0, basis?.remainderBytes ?? 0];
  if (head.some((value, i) => value !== asked[i])) throw broken("it answers for other blocks than it was given", { index, head, asked });
  return request;
}

/** Length of a block of the basis. */
export function blockLengthBytes(basis: Basis, block: number): number {
  assert(block >= 0 && block < basis.blockCount, "the block is one of the basis");
  return block === basis.blockCount - 1 && basis.remainderBytes !== 0 ? basis.remainderBytes : basis.blockBytes;
}
