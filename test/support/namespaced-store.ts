/** A store whose streams all lie below one prefix of another: many empty stores on one server. */
import { RainbowError, isRainbowError } from "../../src/core/index.ts";
import type { Revision } from "../../src/core/index.ts";
import type { Appended, EventStore, NewEvent, ReadOptions, StoredEvent, StreamInfo, SubscribeOptions, SubscriptionPage } from "../../src/events/index.ts";

export class NamespacedStore implements EventStore {
  readonly inner: EventStore;
  readonly prefix: string;

  constructor(inner: EventStore, prefix: string) {
    this.inner = inner;
    this.prefix = prefix;
  }

  append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    return this.told(this.inner.append(this.within(stream), expected, events));
  }

  async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
    const events = await this.told(this.inner.read(this.within(stream), options));
    return events.map((event) => this.shown(event));
  }

  async *subscribe(options: SubscribeOptions): AsyncGenerator<SubscriptionPage> {
    const prefixes = options.prefixes.length === 0 ? [this.prefix] : options.prefixes.map((each) => this.prefix + each);
    for await (const page of this.inner.subscribe({ ...options, prefixes })) yield { ...page, events: page.events.map((event) => this.shown(event)) };
  }

  async info(stream: string): Promise<StreamInfo> {
    return { ...(await this.told(this.inner.info(this.within(stream)))), stream };
  }

  async streams(prefix: string): Promise<StreamInfo[]> {
    const infos = await this.inner.streams(this.prefix + prefix);
    return infos.map((info) => ({ ...info, stream: info.stream.slice(this.prefix.length) }));
  }

  truncateBefore(stream: string, revision: Revision): Promise<void> {
    return this.told(this.inner.truncateBefore(this.within(stream), revision));
  }

  softDelete(stream: string): Promise<void> {
    return this.told(this.inner.softDelete(this.within(stream)));
  }

  reclaim(signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    return this.inner.reclaim(signal);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private within(stream: string): string {
    return stream === "" ? "" : this.prefix + stream;
  }

  private shown(event: StoredEvent): StoredEvent {
    return { ...event, stream: event.stream.slice(this.prefix.length) };
  }

  /** Facts name the stream as the caller does. */
  private async told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!isRainbowError(error) || typeof error.facts["stream"] !== "string" || !error.facts["stream"].startsWith(this.prefix)) throw error;
      throw new RainbowError(error.code, error.message, { ...error.facts, stream: error.facts["stream"].slice(this.prefix.length) }, error);
    }
  }
}
