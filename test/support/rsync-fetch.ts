/** Runs a session against a daemon and keeps all that it told: entries, contents, outcomes. For trees that fit into memory. */
import { openZstdStreams } from "../../src/app/os/index.ts";
import { blockBytesFor, BlockSums, Session } from "../../src/rsync/index.ts";
import type { Agreement, Basis, Digests, Entry, SessionEvent, SessionOptions } from "../../src/rsync/index.ts";
import { converse } from "./rsync-driver.ts";
import type { Watch } from "./rsync-driver.ts";

export interface Fetched {
  readonly session: Session;
  readonly agreement: Agreement;
  readonly entries: readonly Entry[];
  /** By path; what failed is not there. */
  readonly contents: ReadonlyMap<string, Buffer>;
  readonly outcomes: ReadonlyMap<string, string>;
  readonly literalBytes: number;
  readonly messages: readonly string[];
  readonly motd: readonly string[];
  readonly finished: Extract<SessionEvent, { readonly type: "finished" }>;
  /** Types of all events but data, in order. */
  readonly course: readonly string[];
}

export interface FetchOptions {
  readonly session: SessionOptions;
  readonly wants?: (entry: Entry) => boolean;
  /** The old content of a file, and whether its bytes are supplied when blocks of it are copied. */
  readonly old?: (entry: Entry) => Buffer | undefined;
  readonly supplies?: boolean;
  /** Of the basis, instead of what suits its size. */
  readonly blockBytes?: number;
  /** Changes the sums before they are sent: a lying basis. */
  readonly distort?: (basis: Basis) => Basis;
  readonly onEvent?: (event: SessionEvent, session: Session) => void | Promise<void>;
  readonly watch?: Watch;
}

export class Fetching {
  readonly session: Session;
  private readonly options: FetchOptions;
  private readonly digests: Digests;
  private agreement: Agreement | undefined;
  private readonly entries: Entry[] = [];
  private readonly contents = new Map<string, Buffer>();
  private readonly outcomes = new Map<string, string>();
  private readonly messages: string[] = [];
  private readonly motd: string[] = [];
  private readonly course: string[] = [];
  private literalBytes = 0;
  private finished: Fetched["finished"] | undefined;
  private pieces: Buffer[] = [];
  private current: Entry | undefined;

  constructor(options: FetchOptions, digests: Digests) {
    this.options = options;
    this.digests = digests;
    this.session = new Session(options.session, digests, openZstdStreams());
  }

  take(event: SessionEvent): void | Promise<void> {
    if (event.type !== "data") this.course.push(event.type);
    this.note(event);
    return this.options.onEvent?.(event, this.session);
  }

  result(): Fetched {
    const { session, agreement, entries, contents, outcomes, literalBytes, messages, motd, finished, course } = this;
    if (agreement === undefined || finished === undefined) throw new Error(`the session did not finish: ${course.join(" ")}`);
    return { session, agreement, entries, contents, outcomes, literalBytes, messages, motd, finished, course };
  }

  private note(event: SessionEvent): void {
    switch (event.type) {
      case "motd":
        return void this.motd.push(event.text);
      case "agreed":
        this.agreement = event.agreement;
        return;
      case "entry":
        return this.noteEntry(event.index, event.entry);
      case "fileStart":
        this.current = event.entry;
        this.pieces = [];
        return;
      case "data":
        this.literalBytes += event.bytes.length;
        this.pieces.push(Buffer.from(event.bytes));
        return;
      case "copy":
        return this.noteCopy(event.block, event.lengthBytes);
      case "fileEnd":
        this.outcomes.set(event.entry.path, event.outcome);
        if (event.outcome !== "mismatch") this.contents.set(event.entry.path, Buffer.concat(this.pieces));
        return;
      case "fileFailed":
        return void this.outcomes.set(event.entry.path, event.why);
      case "message":
        return void this.messages.push(`${event.severity}: ${event.text}`);
      case "finished":
        this.finished = event;
        return;
      case "listEnd":
      case "timeout":
    }
  }

  private noteEntry(index: number, entry: Entry): void {
    this.entries.push(entry);
    if (entry.kind !== "file" || this.options.wants?.(entry) === false) return;
    const old = this.options.old?.(entry);
    const basis = old === undefined ? undefined : basisOf(old, this.agreement!, this.digests, this.blockBytesOf(old));
    this.session.request(index, basis === undefined ? undefined : (this.options.distort?.(basis) ?? basis));
  }

  private blockBytesOf(old: Buffer): number {
    return this.options.blockBytes ?? blockBytesFor(old.length);
  }

  private noteCopy(block: number, lengthBytes: number): void {
    const old = this.options.old!(this.current!)!;
    const start = block * this.blockBytesOf(old);
    const bytes = old.subarray(start, start + lengthBytes);
    this.pieces.push(bytes);
    if (this.options.supplies !== false) this.session.supply(bytes);
  }
}

export function basisOf(old: Buffer, agreement: Agreement, digests: Digests, blockBytes: number): Basis | undefined {
  const sums = new BlockSums(digests, agreement, blockBytes);
  sums.add(old);
  return sums.finish();
}

export async function fetchAll(port: number, options: FetchOptions, digests: Digests): Promise<Fetched> {
  const fetching = new Fetching(options, digests);
  await converse(fetching.session, port, (event) => fetching.take(event), options.watch);
  return fetching.result();
}
