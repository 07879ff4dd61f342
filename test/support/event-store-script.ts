/**
 * Random scripts for event stores: two stores are given the same one, and every answer, refusal and page must be the same. On a server
 * positions are its own, so they are checked for their order alone, and what a reclaim made it forget is not asked for.
 */
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../src/core/index.ts";
import type { Position, Revision } from "../../src/core/index.ts";
import type { Appended, EventStore, NewEvent, StoredEvent } from "../../src/events/index.ts";

const STREAMS = ["machine-a", "machine-b", "queue-x"];

export type Step =
  | { readonly kind: "append"; readonly stream: string; readonly offset: number; readonly ids: readonly number[]; readonly dataBytes: number }
  | { readonly kind: "repeat"; readonly index: number; readonly from: number; readonly length: number }
  | { readonly kind: "burst"; readonly stream: string; readonly lengths: readonly number[]; readonly wrongAt: number }
  | { readonly kind: "read"; readonly stream: string; readonly backwards: boolean; readonly from: number; readonly maxCount: number; readonly bytesMax: number }
  | { readonly kind: "truncate" | "info"; readonly stream: string; readonly revision: number }
  | { readonly kind: "delete"; readonly stream: string }
  | { readonly kind: "subscribe"; readonly after: number; readonly prefixes: readonly string[] }
  | { readonly kind: "reclaim" | "reopen" | "streams" };

const stream = fc.constantFrom(...STREAMS);
export const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        stream,
        offset: fc.constantFrom(0, 0, 0, 0, -1, 1, -3),
        ids: fc.array(fc.nat(1e6), { maxLength: 30 }),
        dataBytes: fc.constantFrom(0, 5, 300, 3000),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("repeat" as const), index: fc.nat(20), from: fc.nat(5), length: fc.nat(30) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("burst" as const),
        stream,
        lengths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
        wrongAt: fc.integer({ min: -1, max: 5 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("read" as const),
        stream,
        backwards: fc.boolean(),
        from: fc.nat(120),
        maxCount: fc.integer({ min: 1, max: 60 }),
        bytesMax: fc.constantFrom(1, 2000, 1e7),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("truncate" as const, "info" as const), stream, revision: fc.nat(120) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("subscribe" as const), after: fc.nat(200), prefixes: fc.subarray(["machine-", "queue-", "machine-b"]) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("reclaim" as const, "reopen" as const, "streams" as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
);

interface Sent {
  readonly stream: string;
  readonly expected: number;
  readonly events: readonly NewEvent[];
}

/** One store with what a script needs to know of what it sent before; both stores get the same. */
export class Script {
  store: EventStore;
  private readonly reopenStore: ((store: EventStore) => Promise<EventStore>) | undefined;
  private readonly isOnServer: boolean;
  private isReclaimed = false;
  /** Of the appends so far, in their order: places to subscribe from. */
  private readonly positions: Position[] = [];
  private readonly sent: Sent[] = [];
  private counter = 0;

  constructor(store: EventStore, options: { readonly reopen?: (store: EventStore) => Promise<EventStore>; readonly isOnServer?: boolean } = {}) {
    this.store = store;
    this.reopenStore = options.reopen;
    this.isOnServer = options.isOnServer === true;
  }

  async run(step: Step): Promise<unknown> {
    try {
      return await this.answer(step);
    } catch (error) {
      if (isRainbowError(error)) return { error: error.code, facts: error.facts };
      throw error;
    }
  }

  private async answer(step: Step): Promise<unknown> {
    const { store } = this;
    switch (step.kind) {
      case "append":
        return this.append({
          stream: step.stream,
          expected: Math.max(-1, (await this.head(step.stream)) + step.offset),
          events: step.ids.map((id) => this.event(id, step.dataBytes)),
        });
      case "repeat": {
        const sent = this.sent[step.index];
        if (sent === undefined) return "nothing";
        return this.sendAgain(sent.stream, sent.expected + step.from, sent.events.slice(step.from, step.from + step.length));
      }
      case "burst":
        return this.burst(step.stream, step.lengths, step.wrongAt);
      case "read":
        return this.shown(
          await store.read(step.stream, {
            direction: step.backwards ? "backwards" : "forwards",
            from: step.from as Revision,
            maxCount: step.maxCount,
            bytesMax: step.bytesMax,
          }),
        );
      case "truncate":
        return store.truncateBefore(step.stream, step.revision as Revision);
      case "info":
        return store.info(step.stream);
      case "delete":
        return store.softDelete(step.stream);
      case "subscribe":
        return this.subscribe(step.after, step.prefixes);
      case "reclaim": {
        this.isReclaimed = true;
        const { freedBytes } = await store.reclaim();
        return this.isOnServer || freedBytes > 0;
      }
      case "reopen":
        return this.reopen();
      case "streams":
        return store.streams("");
    }
  }

  private async append(sent: Sent): Promise<unknown> {
    this.sent.push(sent);
    if (this.isOnServer && sent.events.length > 0 && (await this.isForgotten(sent.stream, sent.expected))) return "not asked";
    return this.answered(await this.store.append(sent.stream, sent.expected as Revision, sent.events), sent.events.length);
  }

  private async sendAgain(stream: string, expected: number, events: readonly NewEvent[]): Promise<unknown> {
    if (this.isOnServer && (await this.isForgotten(stream, expected))) return "not asked";
    return this.answered(await this.store.append(stream, expected as Revision, events), events.length);
  }

  /** Whether a server and the model may remember different things of hidden events. */
  private async isForgotten(stream: string, expected: number): Promise<boolean> {
    const { deleted, truncatedBefore } = await this.store.info(stream);
    return this.isReclaimed && (deleted || expected + 1 < truncatedBefore);
  }

  private answered({ revision, position, repeated }: Appended, eventCount: number): unknown {
    if (!repeated && eventCount > 0) this.positions.push(position);
    return this.isOnServer ? { revision, repeated } : { revision, position, repeated };
  }

  /** Pipelined appends, one of them perhaps with a wrong expectation. */
  private async burst(name: string, lengths: readonly number[], wrongAt: number): Promise<unknown> {
    let head = await this.head(name);
    if (this.isOnServer && (await this.isForgotten(name, head))) return "not asked";
    const sent = lengths.map(async (length, i) => {
      const events = Array.from({ length }, () => this.event(this.counter++, 10));
      const expected = head + (i === wrongAt ? 2 : 0);
      head += length;
      this.sent.push({ stream: name, expected, events });
      return this.answered(await this.store.append(name, expected as Revision, events), length);
    });
    const outcomes = await Promise.allSettled(sent);
    return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : isRainbowError(outcome.reason) && outcome.reason.code));
  }

  private async subscribe(index: number, prefixes: readonly string[]): Promise<unknown> {
    const after = this.isOnServer ? (this.positions[(index % (this.positions.length + 1)) - 1] ?? (0 as Position)) : (index as Position);
    const events: StoredEvent[] = [];
    for await (const page of this.store.subscribe({ after, prefixes, signal: new AbortController().signal })) {
      events.push(...page.events);
      if (!page.live) continue;
      assert.ok(
        events.every((event, i) => event.position > (events[i - 1]?.position ?? after)),
        "in order",
      );
      return this.isOnServer ? this.shown(events) : { events: this.shown(events), checkpoint: page.checkpoint };
    }
    return "ended";
  }

  private async reopen(): Promise<void> {
    if (this.reopenStore !== undefined) this.store = await this.reopenStore(this.store);
  }

  private async head(name: string): Promise<number> {
    return (await this.store.info(name)).headRevision;
  }

  private event(id: number, dataBytes: number): NewEvent {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(id, 12);
    return { id: bytes, type: `T${id % 3}`, data: Buffer.alloc(dataBytes, id), metadata: Buffer.from(`shared ${id}`) };
  }

  private shown(events: readonly StoredEvent[]): unknown[] {
    return events.map((event) => [
      event.stream,
      event.revision,
      this.isOnServer ? 0 : event.position,
      event.type,
      Buffer.from(event.id).toString("hex"),
      Buffer.from(event.data).toString("base64"),
      Buffer.from(event.metadata).toString(),
    ]);
  }
}
