/** The EventStore port over a server: who does what is in the files beside it, here they are put together. */
import type { RecordedEvent } from "@kurrent/kurrentdb-client";
import { RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import { checkAppend, checkStreamName, storeClosed, streamNotFound, truncationOf } from "../append-rules.ts";
import type { StreamState } from "../append-rules.ts";
import type { Appended, EventStore, NewEvent, ReadOptions, StoredEvent, StreamInfo, SubscribeOptions, SubscriptionPage } from "../event-store.ts";
import { infoOf } from "../memory-store.ts";
import { parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { AppendChannel } from "./append-channel.ts";
import { Catalogue } from "./catalogue.ts";
import { Connection, LIMITS } from "./connection.ts";
import type { Limits } from "./connection.ts";
import { Feed } from "./feed.ts";
import type { LogEntry } from "./feed.ts";
import { ZERO_ID } from "./frame.ts";
import { truncateParts } from "./parts.ts";
import { Reader } from "./reader.ts";
import { scavenge } from "./scavenge.ts";
import { changeMetadata, fetchState, softDeleted, truncated, visibilityOf } from "./stream-facts.ts";
import { StreamWriter } from "./stream-writer.ts";
import { TailCache } from "./tail-cache.ts";

interface KurrentEventStoreOptions {
  /** esdb://…, kurrentdb://… */
  readonly address: string;
  readonly limits?: Partial<Limits>;
}

interface Visibility {
  readonly truncatedBefore: Revision;
  readonly deleted: boolean;
}

const OPEN_MS_MAX = 15_000; // Whoever starts Rainbow waits for it; a service manager tries again.
const FORBIDDEN_ID = Buffer.from(ZERO_ID.replaceAll("-", ""), "hex");

/** STORE_UNREACHABLE or STORE_REFUSED where it cannot be talked to, USAGE where the address is none. */
export async function openKurrentEventStore(options: KurrentEventStoreOptions): Promise<EventStore> {
  const address = parseAddress(options.address);
  const limits = { ...LIMITS, ...options.limits };
  const store = new KurrentEventStore(address, limits);
  try {
    await store.connect(Math.min(limits.outageMsMax, OPEN_MS_MAX));
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class KurrentEventStore implements EventStore {
  private readonly writing: Connection;
  private readonly reading: Connection;
  private readonly channel: AppendChannel;
  private readonly catalogue: Catalogue;
  private readonly tail = new TailCache();
  private readonly reader: Reader;
  private readonly feed: Feed;
  private readonly writers = new Map<string, StreamWriter>();
  /** Of streams that subscribers have met; kept right by the live feed. */
  private readonly visibilities = new Map<string, Visibility>();
  private isClosed = false;

  constructor(address: Address, limits: Limits) {
    this.writing = new Connection(address, { isWriter: true, limits });
    this.reading = new Connection(address, { isWriter: false, limits });
    this.channel = new AppendChannel(this.writing);
    this.catalogue = new Catalogue({ reading: this.reading, writing: this.writing });
    this.reader = new Reader(this.reading, this.tail);
    this.feed = new Feed(this.reading);
  }

  async connect(outageMsMax: number): Promise<void> {
    await this.writing.patiently(async () => undefined, outageMsMax);
  }

  async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    this.open();
    checkAppend(stream, expected, events);
    refuseReserved(stream);
    if (events.some((event) => Buffer.compare(event.id, FORBIDDEN_ID) === 0))
      throw new RainbowError("LIMIT", `the event id ${ZERO_ID} stands for the id of zeros and is no event's own`, { stream });
    return this.writer(stream).append(expected, events);
  }

  async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
    this.open();
    const writer = this.writers.get(stream);
    return this.reader.read(stream, options, writer?.isKnownHere === true ? writer.durableState : "unknown");
  }

  async *subscribe({ after: start, prefixes, signal }: SubscribeOptions): AsyncGenerator<SubscriptionPage> {
    let after = start;
    let wasLive: boolean | undefined;
    while (!signal.aborted && !this.isClosed) {
      const page = await this.feed.page(after);
      const events = await this.visible(page.entries, prefixes);
      if (page.live !== wasLive || page.checkpoint > after) yield { events, checkpoint: page.checkpoint, live: page.live };
      wasLive = page.live;
      after = page.checkpoint;
      if (page.live && !this.isClosed && !signal.aborted) await this.feed.wait(after, signal);
    }
  }

  async info(stream: string): Promise<StreamInfo> {
    this.open();
    checkStreamName(stream);
    return infoOf(stream, await this.stateOf(stream));
  }

  async streams(prefix: string): Promise<StreamInfo[]> {
    this.open();
    const names = (await this.catalogue.names()).filter((name) => name.startsWith(prefix));
    names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const found: StreamInfo[] = [];
    for (let i = 0; i < names.length; i += 8) {
      const some = await Promise.all(names.slice(i, i + 8).map(async (name) => ({ name, state: await this.stateOf(name) })));
      for (const { name, state } of some) if (state !== undefined) found.push(infoOf(name, state));
    }
    return found;
  }

  async truncateBefore(stream: string, revision: Revision): Promise<void> {
    this.open();
    await this.writer(stream).edit(async (state) => {
      if (state === undefined || state.deleted) throw streamNotFound(stream);
      const before = truncationOf(state, revision);
      if (before === state.truncatedBefore) return state;
      await changeMetadata(this.writing, stream, (document) => (visibilityOf(document).truncatedBefore >= before ? undefined : truncated(document, before)));
      this.visibilities.set(stream, { truncatedBefore: before, deleted: false });
      await truncateParts(this.writing, stream, before);
      return { ...state, truncatedBefore: before };
    });
  }

  async softDelete(stream: string): Promise<void> {
    this.open();
    await this.writer(stream).edit(async (state) => {
      if (state === undefined) throw streamNotFound(stream);
      if (state.deleted) return state;
      await changeMetadata(this.writing, stream, (document) => softDeleted(document, state.truncatedBefore));
      this.visibilities.set(stream, { truncatedBefore: state.truncatedBefore, deleted: true });
      return { ...state, deleted: true };
    });
  }

  async reclaim(signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    this.open();
    return scavenge(this.reading, signal);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await Promise.all([...this.writers.values()].map((writer) => writer.idle()));
    this.feed.close();
    await Promise.all([this.writing.close(), this.reading.close()]);
  }

  private writer(stream: string): StreamWriter {
    const known = this.writers.get(stream);
    if (known !== undefined) return known;
    const made = new StreamWriter(stream, {
      channel: this.channel,
      fetchState: (name) => fetchState(this.reading, name),
      register: (name) => this.catalogue.add(name),
      read: (name, from, count) => this.readAllOf(name, from, count),
      onStored: (name, first, events, position) => {
        this.tail.addAppended(name, first, events, position);
        if (this.visibilities.get(name)?.deleted === true) this.visibilities.set(name, { truncatedBefore: first, deleted: false });
      },
    });
    this.writers.set(stream, made);
    return made;
  }

  private async readAllOf(stream: string, from: Revision, count: number): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    while (events.length < count) {
      const maxCount = Math.min(count - events.length, 10_000);
      const page = await this.reader.read(stream, { from: (from + events.length) as Revision, maxCount }, "unknown");
      if (page.length === 0) break;
      events.push(...page);
    }
    return events;
  }

  private async stateOf(stream: string): Promise<StreamState | undefined> {
    const writer = this.writers.get(stream);
    return writer?.isKnownHere === true ? writer.durableState : fetchState(this.reading, stream);
  }

  /** Drops what does not match, what is hidden, and what only the store itself needs. */
  private async visible(entries: readonly LogEntry[], prefixes: readonly string[]): Promise<StoredEvent[]> {
    const wasLive = this.feed.isLive;
    for (const { recorded } of entries) this.noteMetadata(recorded as unknown as RecordedEvent);
    const wanted = entries.filter(({ recorded }) => {
      const { streamId } = recorded;
      return !isReserved(streamId) && (prefixes.length === 0 || prefixes.some((prefix) => streamId.startsWith(prefix)));
    });
    const names = [...new Set(wanted.map(({ recorded }) => recorded.streamId))];
    const known = new Map(await Promise.all(names.map(async (name) => [name, await this.visibilityOf(name, wasLive)] as const)));
    const shown = wanted.filter(({ recorded }) => {
      const { deleted, truncatedBefore } = known.get(recorded.streamId)!;
      return !deleted && Number(recorded.revision) >= truncatedBefore;
    });
    return Promise.all(shown.map(async ({ recorded }) => this.reader.decode(recorded as unknown as RecordedEvent)));
  }

  private async visibilityOf(stream: string, mayBeKept: boolean): Promise<Visibility> {
    const writer = this.writers.get(stream);
    const kept = writer?.isKnownHere === true ? writer.durableState : mayBeKept ? this.visibilities.get(stream) : undefined;
    if (kept !== undefined) return kept;
    const { truncatedBefore = 0 as Revision, deleted = true } = (await fetchState(this.reading, stream)) ?? {};
    this.visibilities.set(stream, { truncatedBefore, deleted });
    return { truncatedBefore, deleted };
  }

  /** Somebody changed what is visible of a stream: it is asked for anew. */
  private noteMetadata({ streamId }: RecordedEvent): void {
    if (streamId.startsWith("$$")) this.visibilities.delete(streamId.slice(2));
  }

  private open(): void {
    if (this.isClosed) throw storeClosed();
  }
}

function isReserved(stream: string): boolean {
  return stream.startsWith("$") || stream.startsWith("rainbow-");
}

function refuseReserved(stream: string): void {
  if (!isReserved(stream)) return;
  throw new RainbowError("LIMIT", `stream '${stream}' cannot be kept on a server: names with '$' or 'rainbow-' in front are its own or ours`, { stream });
}
