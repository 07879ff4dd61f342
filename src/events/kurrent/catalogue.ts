/**
 * The names of all streams, as events of a stream of its own: the server has no list without its projections. A name is entered before
 * its stream gets its first event, so that no stream is missing from it; one that never got an event is left out when it is read.
 */
import { createHash } from "node:crypto";
import type { EventData } from "@kurrent/kurrentdb-client";
import { RainbowError } from "../../core/index.ts";
import type { Connection } from "./connection.ts";
import { actualRevision, failureKind } from "./failures.ts";
import { uuidOf } from "./frame.ts";
import { collected } from "./stream-facts.ts";

export const CATALOGUE_STREAM = "rainbow-streams";
const ENTRY_TYPE = "RainbowStreamNamed";
const PAGE_EVENTS = 1000;
const TRIES_MAX = 50; // Many hosts may start at once.

export class Catalogue {
  private readonly reading: Connection;
  private readonly writing: Connection;
  private readonly known = new Set<string>();
  private head = -1;
  private adding: Promise<void> = Promise.resolve();

  constructor(connections: { readonly reading: Connection; readonly writing: Connection }) {
    this.reading = connections.reading;
    this.writing = connections.writing;
  }

  /** Durable when it resolves; one at a time. */
  add(stream: string): Promise<void> {
    const added = this.adding.then(() => this.enter(stream));
    this.adding = added.catch(() => undefined);
    return added;
  }

  async names(): Promise<string[]> {
    await this.catchUp();
    return [...this.known];
  }

  private async enter(stream: string): Promise<void> {
    if (this.known.has(stream)) return;
    if (this.head < 0) await this.catchUp();
    const id = createHash("sha256").update(`${CATALOGUE_STREAM}\n${stream}`).digest().subarray(0, 16);
    const event: EventData = { id: uuidOf(id), contentType: "application/json", type: ENTRY_TYPE, data: { stream }, metadata: undefined };
    for (let tries = 0; tries < TRIES_MAX && !this.known.has(stream); tries++) {
      const streamState = this.head < 0 ? "no_stream" : BigInt(this.head);
      try {
        const { nextExpectedRevision } = await this.writing.patiently((client) => client.appendToStream(CATALOGUE_STREAM, event, { streamState }));
        this.known.add(stream);
        this.head = Number(nextExpectedRevision);
      } catch (error) {
        if (failureKind(error) !== "conflict") throw error;
        if (actualRevision(error) < this.head) throw error;
        await this.catchUp();
      }
    }
    if (!this.known.has(stream)) throw new RainbowError("BUSY", `stream '${CATALOGUE_STREAM}' is written by others all the time`, { stream: CATALOGUE_STREAM });
  }

  private async catchUp(): Promise<void> {
    for (;;) {
      const options = { direction: "forwards", fromRevision: BigInt(this.head + 1), maxCount: PAGE_EVENTS } as const;
      const page = await this.page(options);
      for (const { event } of page) {
        const data = event?.data;
        const name = typeof data === "object" && data !== null && "stream" in data ? data.stream : undefined;
        if (event?.type === ENTRY_TYPE && typeof name === "string") this.known.add(name);
        if (event !== undefined) this.head = Math.max(this.head, Number(event.revision));
      }
      if (page.length < PAGE_EVENTS) return;
    }
  }

  private async page(options: { readonly direction: "forwards"; readonly fromRevision: bigint; readonly maxCount: number }): ReturnType<typeof this.read> {
    try {
      return await this.read(options);
    } catch (error) {
      if (failureKind(error) === "missing") return [];
      throw error;
    }
  }

  private read(options: { readonly direction: "forwards"; readonly fromRevision: bigint; readonly maxCount: number }) {
    return this.reading.patiently((client) => collected(client.readStream(CATALOGUE_STREAM, options)));
  }
}
