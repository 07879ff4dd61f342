/** The sessions that were captured from a real daemon, and what a session tells, as text that can be kept. */
import { createHash } from "node:crypto";
import { openXxh3, openZstdStreams } from "../../../src/app/os/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { blockBytesFor, openDigests, parseRule, Session } from "../../../src/rsync/index.ts";
import type { SessionEvent, SessionOptions } from "../../../src/rsync/index.ts";
import { basisOf } from "../../support/rsync-fetch.ts";

export interface CapturedSession {
  readonly name: string;
  /** Lengths of the pieces that came, and all of them together. */
  readonly pieces: readonly number[];
  readonly received: string;
  readonly sent: string;
  readonly told: readonly string[];
}

const TEXT = "the quick brown fox jumps over the lazy dog\n".repeat(60);
export const VECTOR_CHANGED = Buffer.from(`${TEXT.slice(0, 1500)}something new${TEXT.slice(1500)}`);
const VECTOR_OLD = Buffer.from(TEXT);
const BASE: Omit<SessionOptions, "module"> = { hardLinks: true, owners: true, groups: true, devices: true };
const LOGIN = { user: "alice", password: "correct horse", weakestDigest: "md4-seeded" } as const;

/** What is asked of the daemon; `old` offers a basis for the file "changed". */
export const VECTOR_CASES: readonly { readonly name: string; readonly session: SessionOptions; readonly old?: boolean }[] = [
  ...[27, 28, 29, 30, 31, 32].map((protocolMax) => ({ name: `protocol ${protocolMax}`, session: { ...BASE, module: "tree", protocolMax, isIncremental: false } })),
  ...[30, 31, 32].map((protocolMax) => ({ name: `protocol ${protocolMax}, list by list`, session: { ...BASE, module: "tree", protocolMax } })),
  ...[27, 29, 30, 32].map((protocolMax) => ({ name: `protocol ${protocolMax}, with a basis`, session: { module: "tree", protocolMax }, old: true })),
  ...(["zlib", "zlibx", "lz4", "zstd"] as const).map((name) => ({ name: `${name}, with a basis`, session: { module: "tree", compressors: [name] }, old: true })),
  ...[29, 31, 32].map((protocolMax) => ({ name: `protocol ${protocolMax}, with a password`, session: { module: "secured", protocolMax, login: LOGIN } })),
  { name: "filters, names of owners and listed digests", session: { ...BASE, module: "tree", numericIds: false, listDigests: true, filters: [parseRule("- *.bin" as ByteString), parseRule("+ /sub/" as ByteString)] } },
  { name: "a path that is not there", session: { module: "tree", paths: ["nowhere" as ByteString] } },
];

const digests = await openDigests(openXxh3());

/** A session that asks for every file, and notes what it is told. */
export class NotedSession {
  readonly session: Session;
  readonly told: string[] = [];
  private readonly hasOld: boolean;
  private content = createHash("sha256");
  private agreement: Extract<SessionEvent, { readonly type: "agreed" }>["agreement"] | undefined;

  constructor(options: SessionOptions, hasOld: boolean) {
    this.session = new Session(options, digests, openZstdStreams());
    this.hasOld = hasOld;
  }

  take(event: SessionEvent): void {
    if (event.type === "data") return void this.content.update(event.bytes);
    if (event.type === "copy") return this.copy(event.block, event.lengthBytes);
    if (event.type === "agreed") this.agreement = event.agreement;
    if (event.type === "fileStart") this.content = createHash("sha256");
    this.told.push(this.lineOf(event));
    if (event.type !== "entry" || event.entry.kind !== "file") return;
    const basis = this.hasOld && event.entry.path === "changed" ? basisOf(VECTOR_OLD, this.agreement!, digests, blockBytesFor(VECTOR_OLD.length)) : undefined;
    this.session.request(event.index, basis);
  }

  fail(error: unknown): void {
    this.told.push(`failed: ${(error as Error).message}`);
  }

  private lineOf(event: SessionEvent): string {
    switch (event.type) {
      case "fileStart":
        return `start ${event.index} ${JSON.stringify(event.entry.path)} attempt ${event.attempt}`;
      case "fileEnd":
        return `end ${event.index} ${event.outcome} ${event.lengthBytes} ${this.content.digest("hex").slice(0, 16)}`;
      default:
        return JSON.stringify(event, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value));
    }
  }

  private copy(block: number, lengthBytes: number): void {
    this.told.push(`copy ${block} ${lengthBytes}`);
    const start = block * blockBytesFor(VECTOR_OLD.length);
    const bytes = VECTOR_OLD.subarray(start, start + lengthBytes);
    this.content.update(bytes);
    this.session.supply(bytes);
  }
}
