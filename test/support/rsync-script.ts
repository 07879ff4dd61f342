/** A server that says what a test tells it to, byte by byte, to a session without a socket. */
import { createHash } from "node:crypto";
import { Session } from "../../src/rsync/index.ts";
import type { Basis, Digests, Entry, SessionEvent, SessionOptions } from "../../src/rsync/index.ts";
import { COMPAT_ALL, COMPAT_WHOLE_LIST, frame, IndexWriter, WireWriter, writeEntry, writeListEnd } from "./rsync-wire.ts";
import type { EntryStyle, WireEntry } from "./rsync-wire.ts";

export const FILE_MODE = 0o100644;
export const DIRECTORY_MODE = 0o040755;
export const SEED = 77;

export interface ScriptOptions {
  readonly isIncremental?: boolean;
  readonly session?: Partial<SessionOptions>;
  readonly basis?: (entry: Entry) => Basis | undefined;
  /** Do not ask for files. */
  readonly asksNothing?: boolean;
  /** Count entries instead of keeping events. */
  readonly keepsNothing?: boolean;
}

/** What a server says: protocol 32 with md5, so that digests are easy to write. */
abstract class Script {
  readonly style: EntryStyle = { protocol: 32, hasVarintFlags: true, owners: false, devices: false };
  readonly indexes = new IndexWriter();
  private readonly isIncremental: boolean;

  constructor(isIncremental: boolean) {
    this.isIncremental = isIncremental;
  }

  abstract send(bytes: Buffer | string): this;

  /** Greeting, module, options, negotiation, seed: up to the first frame. */
  open(compat = this.isIncremental ? COMPAT_ALL : COMPAT_WHOLE_LIST): this {
    this.send("@RSYNCD: 32.0 sha512\n").send("@RSYNCD: OK\n");
    const out = new WireWriter();
    out.packed(compat);
    const names = "md5 sha1";
    out.u8(names.length);
    out.bytes(Buffer.from(names));
    out.i32(SEED);
    return this.send(out.copy());
  }

  data(write: (out: WireWriter) => void): this {
    const out = new WireWriter();
    write(out);
    return this.send(frame(0, out.copy()));
  }

  list(entries: readonly WireEntry[], ioError = 0): this {
    return this.data((out) => {
      for (const entry of entries) writeEntry(out, entry, this.style);
      writeListEnd(out, this.style, ioError);
    });
  }

  index(value: number): this {
    return this.data((out) => this.indexes.write(out, value, 32));
  }

  /** The head of an answer, with the echo of a request. */
  answer(index: number, head: readonly number[] = [0, 0, 0, 0], flags = 0x8000): this {
    return this.data((out) => {
      this.indexes.write(out, index, 32);
      out.u16(flags);
      for (const value of head) out.i32(value);
    });
  }
}

/** Said to a session at once. */
export class ScriptedServer extends Script {
  readonly session: Session;
  readonly events: SessionEvent[] = [];
  entryCount = 0;
  private readonly options: ScriptOptions;

  constructor(digests: Digests, options: ScriptOptions = {}) {
    super(options.isIncremental ?? false);
    this.options = options;
    this.session = new Session({ module: "m", digests: ["md5"], isIncremental: options.isIncremental ?? false, hardLinks: true, ...options.session }, digests);
  }

  /** Raw bytes, in pieces of `pieceBytes`; the session works off all of them. */
  send(bytes: Buffer | string, pieceBytes = Infinity): this {
    const all = Buffer.from(bytes as string, "latin1");
    this.pull();
    for (let at = 0; at < all.length; at += pieceBytes) {
      this.session.feed(all.subarray(at, at + Math.min(pieceBytes, all.length)));
      this.pull();
    }
    return this;
  }

  end(): this {
    this.pull();
    this.session.feedEnd();
    this.pull();
    return this;
  }

  typesOf(): string[] {
    return this.events.map(({ type }) => type);
  }

  private pull(): void {
    for (let event = this.session.next(); event !== undefined; event = this.session.next()) {
      if (event.type === "entry") this.entryCount++;
      if (this.options.keepsNothing !== true) this.events.push(event.type === "data" ? { ...event, bytes: Buffer.from(event.bytes) } : event);
      if (event.type === "entry" && event.entry.kind === "file" && this.options.asksNothing !== true)
        this.session.request(event.index, this.options.basis?.(event.entry));
    }
    this.session.takeOutput();
  }
}

/** Written down first, and said over a wire later, piece by piece as it is read. */
export class WrittenScript extends Script {
  readonly pieces: Buffer[] = [];

  constructor({ isIncremental = false }: { readonly isIncremental?: boolean } = {}) {
    super(isIncremental);
  }

  send(bytes: Buffer | string): this {
    this.pieces.push(Buffer.from(bytes as string, "latin1"));
    return this;
  }

  /** A whole content with the digest of `claimed`. */
  content(index: number, bytes: Buffer | string, claimed = bytes): this {
    const content = Buffer.from(bytes as string, "latin1");
    this.answer(index);
    const pieceBytes = 32 << 10;
    for (let at = 0; at < content.length; at += pieceBytes) {
      const piece = content.subarray(at, at + pieceBytes);
      this.data((out) => out.i32(piece.length).bytes(piece));
    }
    return this.data((out) => out.i32(0).bytes(createHash("md5").update(claimed).digest()));
  }

  /** The ends of `phaseCount` phases, of which some may be said already, counts, goodbye. */
  finish(phaseCount = 3): this {
    for (let i = 0; i < phaseCount; i++) this.index(-1);
    return this.data((out) => [1, 2, 3, 4, 5].forEach((value) => out.long(value, 3))).index(-1);
  }
}

export const ROOT_ENTRY: WireEntry = { path: ".", mode: DIRECTORY_MODE };
export const file = (path: string, sizeBytes = 0): WireEntry => ({ path, mode: FILE_MODE, sizeBytes });
export const directory = (path: string): WireEntry => ({ path, mode: DIRECTORY_MODE });
