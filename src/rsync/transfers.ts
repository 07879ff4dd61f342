/** Files on their way: asked for, received, verified, and asked for again where the digest is wrong. PROTOCOL.md "Content", "Phases". */
import { assert } from "../core/index.ts";
import type { Agreement } from "./agreement.ts";
import type { Basis } from "./block-sums.ts";
import { DIGEST_BYTES } from "./digests/index.ts";
import type { Digests, RunningDigest } from "./digests/index.ts";
import type { Entry } from "./entry.ts";
import type { SessionEvent } from "./events.ts";
import { broken, overLimit, shownPath } from "./failure.ts";
import type { Inbox } from "./inbox.ts";
import { REQUESTS_UNDER_WAY_MAX } from "./limits.ts";
import type { Limits } from "./limits.ts";
import type { FileList } from "./open-lists.ts";
import { ATTEMPTS_MAX, blockLengthBytes, readAnswerHead, writeRequest } from "./request.ts";
import type { Request } from "./request.ts";
import { CONTENT_END } from "./tokens.ts";
import type { TokenReader } from "./tokens.ts";
import type { Outbox } from "./writer.ts";

export interface TransferParts {
  readonly agreement: Agreement;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly digests: Digests;
  readonly limits: Limits;
  readonly tokens: TokenReader;
}

/** The file whose content comes in. */
interface Receiving {
  readonly request: Request;
  readonly digest: RunningDigest;
  lengthBytes: number;
  /** Every byte went into the digest. */
  isKnownWhole: boolean;
  suppliedBytes: number;
}

export class Transfers {
  private readonly parts: TransferParts;
  private readonly pending = new Map<number, Request>();
  private unwritten: Request[] = [];
  private unwrittenFrom = 0;
  /** Without incremental recursion a second attempt waits for the second phase. */
  private repeats: Request[] = [];
  private receiving: Receiving | undefined;

  constructor(parts: TransferParts) {
    this.parts = parts;
  }

  /** Whether so much is under way that nothing more should be asked for. Before protocol 30 a missing file shows only at the end, so that nothing can be counted. */
  get isBusy(): boolean {
    return this.pending.size >= REQUESTS_UNDER_WAY_MAX && this.parts.agreement.protocol >= 30;
  }

  get hasUnwritten(): boolean {
    return this.unwrittenFrom < this.unwritten.length;
  }

  ask(asked: { readonly index: number; readonly entry: Entry; readonly list: FileList; readonly basis: Basis | undefined }): void {
    assert(!this.pending.has(asked.index), "a file is asked for once");
    assert(asked.basis === undefined || asked.basis.strongBytes <= DIGEST_BYTES[this.parts.agreement.digest], "the sums are of this session's digest");
    asked.list.unsettledCount++;
    this.enqueue({ ...asked, attempt: 1, isSent: false });
  }

  /** Writes requests as long as the output has room. */
  write(): void {
    while (this.hasUnwritten && !this.parts.outbox.isFull) writeRequest(this.parts.outbox, this.unwritten[this.unwrittenFrom++]!, this.parts.agreement);
    if (this.hasUnwritten || this.unwrittenFrom === 0) return;
    this.unwritten = [];
    this.unwrittenFrom = 0;
  }

  supply(bytes: Buffer): void {
    assert(this.receiving !== undefined, "a block is being copied");
    this.receiving.suppliedBytes += bytes.length;
    this.receiving.digest.update(bytes);
    this.parts.tokens.copied(bytes);
  }

  /** The server will not send this file. */
  refuse(index: number): SessionEvent {
    const request = this.pending.get(index);
    if (request === undefined || !request.isSent) throw broken("it refuses a file that was not asked for", { index });
    return this.fail(request, "notSent");
  }

  /** Without incremental recursion the server's DONE ends a phase: what did not come will not, and second attempts begin. */
  endPhase(): SessionEvent[] {
    const missing = [...this.pending.values()].map((request) => this.fail(request, "notSent"));
    for (const request of this.repeats) this.enqueue(request);
    this.repeats = [];
    return missing;
  }

  /** The content of the file of that index, from the head of the answer to its digest. */
  *receive(index: number): Generator<SessionEvent | undefined, void> {
    const { agreement, inbox, digests, tokens } = this.parts;
    const request = yield* inbox.read((cursor) => readAnswerHead(cursor, this.pending.get(index), index, agreement));
    const receiving = { request, digest: digests.ofFile(agreement.digest, agreement.seed), lengthBytes: 0, isKnownWhole: true, suppliedBytes: 0 };
    this.receiving = receiving;
    yield { type: "fileStart", index, entry: request.entry, attempt: request.attempt };
    tokens.begin(request.basis?.blockCount ?? 0);
    yield* this.receiveContent(receiving);
    const digestBytes = DIGEST_BYTES[agreement.digest];
    const stored = yield* inbox.read((cursor) => Buffer.from(cursor.bytes(digestBytes)));
    const isRight = receiving.digest.digest().equals(stored);
    this.receiving = undefined;
    yield* this.settle(receiving, !receiving.isKnownWhole ? "unverified" : isRight ? "verified" : "mismatch", stored);
  }

  private *receiveContent(receiving: Receiving): Generator<SessionEvent | undefined, void> {
    const { tokens, limits } = this.parts;
    const { entry, basis } = receiving.request;
    const lengthBytesMax = Math.min(limits.fileBytesMax, Math.max(entry.sizeBytes * 2, entry.sizeBytes + limits.growthBytesMax));
    for (;;) {
      const token = yield* tokens.next();
      if (token === CONTENT_END) return;
      const lengthBytes = typeof token === "number" ? blockLengthBytes(basis!, token) : token.length;
      receiving.lengthBytes += lengthBytes;
      if (receiving.lengthBytes > lengthBytesMax)
        throw overLimit(`more than ${lengthBytesMax} bytes for '${shownPath(entry.path)}', which it listed with ${entry.sizeBytes}`);
      if (typeof token === "number") yield* this.copy(receiving, token, lengthBytes);
      else {
        receiving.digest.update(token);
        yield { type: "data", bytes: token };
      }
    }
  }

  private *copy(receiving: Receiving, block: number, lengthBytes: number): Generator<SessionEvent, void> {
    receiving.suppliedBytes = 0;
    yield { type: "copy", block, lengthBytes };
    assert(receiving.suppliedBytes === 0 || receiving.suppliedBytes === lengthBytes, "a block is supplied whole or not at all");
    assert(receiving.suppliedBytes > 0 || !this.parts.tokens.needsCopies, "zlib needs the bytes of copied blocks");
    if (receiving.suppliedBytes === 0) receiving.isKnownWhole = false;
  }

  private *settle(receiving: Receiving, outcome: "verified" | "unverified" | "mismatch", digest: Buffer): Generator<SessionEvent, void> {
    const { request, lengthBytes } = receiving;
    const { index, entry } = request;
    if (outcome !== "mismatch") this.forget(request);
    else if (request.attempt < ATTEMPTS_MAX) this.repeat(request);
    yield { type: "fileEnd", index, entry, lengthBytes, outcome, digest };
    if (this.pending.get(index) === request && request.isSent) yield this.fail(request, "digest");
  }

  private repeat(request: Request): void {
    this.pending.delete(request.index);
    const again = { ...request, basis: undefined, attempt: request.attempt + 1, isSent: false };
    if (this.parts.agreement.isIncremental) this.enqueue(again);
    else this.repeats.push(again);
  }

  private enqueue(request: Request): void {
    this.pending.set(request.index, request);
    this.unwritten.push(request);
  }

  private fail(request: Request, why: "notSent" | "digest"): SessionEvent {
    this.forget(request);
    return { type: "fileFailed", index: request.index, entry: request.entry, why };
  }

  private forget(request: Request): void {
    this.pending.delete(request.index);
    request.list.unsettledCount--;
  }
}
