/**
 * A session with an rsync daemon in which we receive: lists, requests, content, and the end. Pure: see conversation.ts for how bytes go
 * in and events come out. PROTOCOL.md "A session" shows the order of things.
 */
import { assert, RainbowError } from "../core/index.ts";
import type { ByteString } from "../core/index.ts";
import { WANTED } from "./agreement.ts";
import type { Agreement, Wanted } from "./agreement.ts";
import type { Basis } from "./block-sums.ts";
import { Conversation } from "./conversation.ts";
import type { Cursor } from "./cursor.ts";
import { DELETION_COUNTS, DONE, IndexReader, LISTS_END, SUB_LIST_BASE } from "./cursor.ts";
import type { Digests } from "./digests/index.ts";
import type { Entry } from "./entry.ts";
import type { SessionEvent } from "./events.ts";
import { broken, refused, shown } from "./failure.ts";
import { encodeRule } from "./filter-rule.ts";
import type { FilterRule } from "./filter-rule.ts";
import { areKnown, Filters } from "./filters.ts";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "./greeting.ts";
import type { Login } from "./greeting.ts";
import { agree, enterModule, greet, Lines } from "./handshake.ts";
import { LIMITS } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { decodeMessage, TAG } from "./messages.ts";
import { OpenLists } from "./open-lists.ts";
import type { FileList } from "./open-lists.ts";
import { readStatistics } from "./statistics.ts";
import { PackedTokens } from "./packed-tokens.ts";
import { PlainTokens } from "./tokens.ts";
import type { TokenReader } from "./tokens.ts";
import { InflateUnpacker, Lz4Unpacker, ZstdUnpacker } from "./unpack/index.ts";
import type { ZstdStream } from "./unpack/index.ts";
import { Transfers } from "./transfers.ts";

export interface SessionOptions extends Partial<Wanted> {
  readonly module: string;
  readonly login?: Login;
  readonly filters?: readonly FilterRule[];
  readonly protocolMax?: number;
  readonly limits?: Partial<Limits>;
}

/** A new decoder; see ZstdStream. */
export type OpenZstdStream = () => ZstdStream;

export class Session extends Conversation<SessionEvent> {
  /** Where it says so, no further names are handed on for now. It may do so only while files are on their way: they wake the session again. */
  holdsBack: () => boolean = () => false;
  private readonly wanted: Wanted;
  private readonly options: SessionOptions;
  private readonly limits: Limits;
  private readonly digests: Digests;
  private readonly openZstdStream: OpenZstdStream | undefined;
  private readonly indexes = new IndexReader();
  private lists: OpenLists | undefined;
  private transfers: Transfers | undefined;
  private agreed: Agreement | undefined;
  private ioError = 0;
  private hasSaidError = false;
  private listCount = 0;
  private sentDoneCount = 0;
  private receivedDoneCount = 0;
  /** DONEs in all, known once no further list will come. */
  private doneCount = Infinity;

  /** Without `openZstdStream` zstd is not offered. */
  constructor(options: SessionOptions, digests: Digests, openZstdStream?: OpenZstdStream) {
    super();
    this.options = options;
    this.openZstdStream = openZstdStream;
    const wanted = { ...WANTED, ...options };
    this.wanted = { ...wanted, compressors: wanted.compressors.filter((name) => name !== "zstd" || openZstdStream !== undefined) };
    this.limits = { ...LIMITS, ...options.limits };
    this.digests = digests;
    const protocolMax = options.protocolMax ?? PROTOCOL_MAX;
    assert(protocolMax >= PROTOCOL_MIN && protocolMax <= PROTOCOL_MAX, "the protocol is one that is known");
    this.inbox.onMessage = (tag, payload) => this.take(tag, payload);
  }

  /** Asks for the content of a regular file that was handed on, once; with a basis for what differs from it. */
  request(index: number, basis?: Basis): void {
    assert(this.lists !== undefined && this.transfers !== undefined, "the lists were begun");
    const list = this.lists.listOf(index);
    const entry = list?.sorted[index - list.startIndex];
    assert(list !== undefined && entry?.kind === "file" && index - list.startIndex < list.handedOnCount, "a regular file that was handed on can be asked for");
    this.transfers.ask({ index, entry, list, basis });
  }

  /** The bytes of the block that the last `copy` named, in one or more parts. */
  supply(bytes: Buffer): void {
    assert(this.transfers !== undefined, "content is on its way");
    this.transfers.supply(bytes);
  }

  /** Tells the server that we are still there, where its protocol knows how (from 30 on): while its bytes wait for a slow reader. */
  keepAlive(): void {
    if (this.outbox.isFramed && !this.isFinished) this.outbox.emptyFrame(0);
  }

  /** Whether no further list will come: only then is it known how many names there are. */
  get isListComplete(): boolean {
    return this.lists?.isComplete === true;
  }

  /** Names of users and groups by id, as far as the server told them: for what was handed on. */
  nameOfUser(uid: number): ByteString | undefined {
    return this.lists?.names.users.get(uid);
  }

  nameOfGroup(gid: number): ByteString | undefined {
    return this.lists?.names.groups.get(gid);
  }

  protected override *talk(): Generator<SessionEvent | undefined, void> {
    const agreement = yield* this.setUp();
    yield { type: "agreed", agreement };
    const rules = this.options.filters ?? [];
    const filters = areKnown(rules) ? Filters.atRoot(rules) : undefined;
    const accepts = (entry: Entry): boolean => filters?.excludesPath(entry.path, entry.kind === "directory") !== true;
    const lists = new OpenLists(agreement, this.wanted, this.limits, accepts);
    this.lists = lists;
    this.transfers = new Transfers({
      agreement,
      inbox: this.inbox,
      outbox: this.outbox,
      digests: this.digests,
      limits: this.limits,
      tokens: this.tokensFor(agreement),
    });
    this.where = "while it listed its files";
    this.noteList(yield* lists.readFirst(this.inbox));
    if (lists.isComplete) this.completeLists();
    yield* this.exchange(lists, this.transfers);
    this.where = "before it had said how it went";
    const statistics = yield* readStatistics(this.inbox, agreement.protocol);
    this.where = "while both sides said goodbye";
    yield* this.sayGoodbye(agreement.protocol);
    yield { type: "finished", ioError: this.ioError, statistics };
  }

  private *setUp(): Generator<SessionEvent | undefined, Agreement> {
    const { options, wanted } = this;
    const talk = {
      inbox: this.inbox,
      outbox: this.outbox,
      onMotd: (line: string) => this.announce({ type: "motd", text: shown(Buffer.from(line, "latin1").toString("utf8")) }),
    };
    const lines = new Lines(this.inbox);
    const hello = yield* greet(talk, lines, options.protocolMax ?? PROTOCOL_MAX);
    this.where = "before the module was open";
    yield* enterModule(talk, lines, options.module, options.login, hello);
    this.where = "while both sides agreed on options";
    const agreement = yield* agree(talk, wanted, hello.protocol);
    this.agreed = agreement;
    this.inbox.beginFrames();
    if (agreement.protocol >= 30) this.outbox.beginFrames();
    for (const rule of options.filters ?? []) {
      if (rule.kind !== "clear" && rule.side === "receiver") continue;
      const text = encodeRule(rule, agreement.protocol);
      this.outbox.i32(text.length);
      this.outbox.text(text);
    }
    this.outbox.i32(0);
    return agreement;
  }

  private tokensFor({ compressor, protocol }: Agreement): TokenReader {
    switch (compressor) {
      case undefined:
        return new PlainTokens(this.inbox);
      case "lz4":
        return new PackedTokens(this.inbox, new Lz4Unpacker());
      case "zlib":
      case "zlibx":
        return new PackedTokens(this.inbox, new InflateUnpacker({ needsCopies: compressor === "zlib", repeatsLongCopies: protocol < 31 }));
      case "zstd":
        assert(this.openZstdStream !== undefined, "zstd is offered only where there is a decoder");
        return new PackedTokens(this.inbox, new ZstdUnpacker(this.openZstdStream()));
    }
  }

  /** Hands entries on and receives what was asked for, until both sides have said DONE as often as they must. */
  private *exchange(lists: OpenLists, transfers: Transfers): Generator<SessionEvent | undefined, void> {
    while (this.receivedDoneCount < this.doneCount) {
      const list = lists.handingOn;
      if (list !== undefined && !transfers.isBusy && !this.holdsBack()) {
        const event = nextEntry(list);
        yield event;
        list.isHandedOn = event.type === "listEnd"; // Only now: whoever took the event has had the time to ask for files.
        continue;
      }
      this.where = "while files were on their way";
      const index = yield* this.inbox.read((cursor) => this.readIndex(cursor));
      if (index >= 0) yield* transfers.receive(index);
      else if (index === DONE) this.takeDone(transfers);
      else if (index === LISTS_END) this.completeLists();
      else if (index <= SUB_LIST_BASE) this.noteList(yield* lists.readNext(this.inbox, SUB_LIST_BASE - index));
      else if (index === DELETION_COUNTS) yield* this.skipDeletionCounts();
      else throw broken(`it sends the index ${index}`, { index });
    }
  }
  private readIndex(cursor: Cursor): number {
    return this.agreed!.protocol >= 30 ? this.indexes.read(cursor) : cursor.i32();
  }

  private noteList(list: FileList): void {
    this.listCount++;
    this.ioError |= list.ioError;
  }

  /** No further list will come, so the DONEs can be counted: one for each list, or for the only one, and the two phases after it. */
  private completeLists(): void {
    assert(this.lists !== undefined && this.agreed !== undefined, "the lists were begun");
    if (this.doneCount !== Infinity) throw broken("it ends its lists twice");
    this.lists.isComplete = true;
    this.doneCount = this.agreed.isIncremental ? this.listCount + 2 : this.agreed.protocol >= 29 ? 3 : 2;
  }

  protected override beforeWaiting(): void {
    const { lists, transfers, agreed } = this;
    if (lists === undefined || transfers === undefined || agreed === undefined) return;
    transfers.write();
    if (transfers.hasUnwritten) return;
    if (agreed.isIncremental) this.closeLists(lists);
    // What follows the lists goes step by step: each DONE when the server has answered the one before.
    const isPhaseDue = agreed.isIncremental ? lists.openCount === 0 : lists.handingOn === undefined;
    if (lists.isComplete && isPhaseDue && this.sentDoneCount < this.doneCount && this.sentDoneCount === this.receivedDoneCount) this.sendDone();
  }

  /** The oldest list is closed once its files are settled; the last one only when it is known to be the last. */
  private closeLists(lists: OpenLists): void {
    for (let list = lists.oldest; list !== undefined; list = lists.oldest) {
      const isSettled = list.isHandedOn && list.unsettledCount === 0;
      if (!isSettled || (lists.openCount === 1 && !lists.isComplete)) return;
      lists.closeOldest();
      this.sendDone();
    }
  }

  private sendDone(): void {
    this.sentDoneCount++;
    this.outbox.index(DONE, this.agreed!.protocol);
  }

  private takeDone(transfers: Transfers): void {
    if (++this.receivedDoneCount > this.sentDoneCount) throw broken("it says that it is done with what was never ended");
    if (this.agreed!.isIncremental) return;
    for (const event of transfers.endPhase()) this.announce(event);
  }

  private *skipDeletionCounts(): Generator<undefined, void> {
    for (let i = 0; i < 5; i++) yield* this.inbox.read((cursor) => cursor.varint());
  }

  /** PROTOCOL.md "End". */
  private *sayGoodbye(protocol: number): Generator<undefined, void> {
    this.outbox.index(DONE, protocol);
    if (protocol >= 31) {
      const index = yield* this.inbox.read((cursor) => this.readIndex(cursor));
      if (index !== DONE) throw broken(`it says goodbye with the index ${index}`);
      this.outbox.index(DONE, protocol);
    }
    // What may come last: messages, and the end of the connection.
    while (!this.inbox.isAtEnd) {
      if (this.inbox.some(1).length > 0) throw broken("it sends data after the goodbye");
      if (!this.inbox.isAtEnd) yield undefined;
    }
  }

  /** A message between the data. */
  private take(tag: number, payload: Buffer): void {
    const message = decodeMessage(tag, payload);
    switch (message.kind) {
      case "text":
        this.keepText(message.text);
        this.hasSaidError ||= message.severity === "error" || message.severity === "partial";
        return this.announce({ type: "message", severity: message.severity, text: shown(message.text) });
      case "ioError":
        this.ioError |= message.bits;
        return;
      case "timeout":
        return this.announce({ type: "timeout", seconds: message.seconds });
      case "noSend":
        if (this.transfers === undefined) throw broken("it refuses a file before any was asked for");
        return this.announce(this.transfers.refuse(message.index));
      case "exit":
        return this.leave(message.code);
      case "nothing":
        return;
    }
  }

  /** A server that cannot begin (an unknown option, a path that is not there) says so in an error message, and closes. */
  protected override endedError(): Error {
    const hasBegun = this.lists !== undefined && this.lists.entryCount > 0;
    const hasSaidWhy = this.hasSaidError && !hasBegun;
    return hasSaidWhy ? refused(this.texts.join(" / ")) : super.endedError();
  }

  /** The server gives up. From protocol 31 on it wants to know that we heard it. */
  private leave(code: number): never {
    if (this.agreed!.protocol >= 31) this.outbox.emptyFrame(TAG.errorExit);
    const said = this.texts.map(shown).join(" / ");
    throw new RainbowError("RSYNC_REFUSED", `the rsync server gives up with its code ${code}${said === "" ? "" : `: ${said}`}`, { code, said });
  }
}

/** The list's next entry, or its end. */
function nextEntry(list: FileList): SessionEvent {
  while (list.handedOnCount < list.sorted.length) {
    const place = list.handedOnCount++;
    const entry = list.sorted[place];
    if (entry !== undefined) return { type: "entry", index: list.startIndex + place, entry };
  }
  return { type: "listEnd", directory: list.directory, ioError: list.ioError };
}
