/** Random scripts run on the embedded store and on the naive one in memory: every answer, refusal and page must be the same. */
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../src/core/index.ts";
import type { Position, Revision } from "../../src/core/index.ts";
import { MemoryEventStore } from "../../src/events/index.ts";
import type { EventStore, NewEvent, StoredEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("embedded event store against the model");
const STREAMS = ["machine-a", "machine-b", "queue-x"];

type Step =
  | { readonly kind: "append"; readonly stream: string; readonly offset: number; readonly ids: readonly number[]; readonly dataBytes: number }
  | { readonly kind: "repeat"; readonly index: number; readonly from: number; readonly length: number }
  | { readonly kind: "burst"; readonly stream: string; readonly lengths: readonly number[]; readonly wrongAt: number }
  | { readonly kind: "read"; readonly stream: string; readonly backwards: boolean; readonly from: number; readonly maxCount: number; readonly bytesMax: number }
  | { readonly kind: "truncate" | "info"; readonly stream: string; readonly revision: number }
  | { readonly kind: "delete"; readonly stream: string }
  | { readonly kind: "subscribe"; readonly after: number; readonly prefixes: readonly string[] }
  | { readonly kind: "reclaim" | "reopen" | "streams" };

const stream = fc.constantFrom(...STREAMS);
const steps = fc.array(
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
class Script {
  store: EventStore;
  private readonly path: string | undefined;
  private readonly sent: Sent[] = [];
  private counter = 0;

  constructor(store: EventStore, path?: string) {
    this.store = store;
    this.path = path;
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
        return store.append(sent.stream, (sent.expected + step.from) as Revision, sent.events.slice(step.from, step.from + step.length));
      }
      case "burst":
        return this.burst(step.stream, step.lengths, step.wrongAt);
      case "read":
        return shown(
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
        return this.subscribe(step.after as Position, step.prefixes);
      case "reclaim":
        return (await store.reclaim()).freedBytes > 0;
      case "reopen":
        return this.reopen();
      case "streams":
        return store.streams("");
    }
  }

  private append(sent: Sent): Promise<unknown> {
    this.sent.push(sent);
    return this.store.append(sent.stream, sent.expected as Revision, sent.events);
  }

  /** Pipelined appends, one of them perhaps with a wrong expectation. */
  private async burst(name: string, lengths: readonly number[], wrongAt: number): Promise<unknown> {
    let head = await this.head(name);
    const sent = lengths.map((length, i) => {
      const events = Array.from({ length }, () => this.event(this.counter++, 10));
      const expected = head + (i === wrongAt ? 2 : 0);
      head += length;
      return this.append({ stream: name, expected, events });
    });
    const outcomes = await Promise.allSettled(sent);
    return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : isRainbowError(outcome.reason) && outcome.reason.code));
  }

  private async subscribe(after: Position, prefixes: readonly string[]): Promise<unknown> {
    const events: StoredEvent[] = [];
    for await (const page of this.store.subscribe({ after, prefixes, signal: new AbortController().signal })) {
      events.push(...page.events);
      if (page.live) return { events: shown(events), checkpoint: page.checkpoint };
    }
    return "ended";
  }

  private async reopen(): Promise<void> {
    if (this.path === undefined) return;
    await this.store.close();
    this.store = await openLmdbEventStore({ path: this.path });
  }

  private async head(name: string): Promise<number> {
    return (await this.store.info(name)).headRevision;
  }

  private event(id: number, dataBytes: number): NewEvent {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(id, 12);
    return { id: bytes, type: `T${id % 3}`, data: Buffer.alloc(dataBytes, id), metadata: Buffer.from(`shared ${id}`) };
  }
}

function shown(events: readonly StoredEvent[]): unknown[] {
  return events.map((event) => [
    event.stream,
    event.revision,
    event.position,
    event.type,
    Buffer.from(event.id).toString("hex"),
    Buffer.from(event.data).toString("base64"),
    Buffer.from(event.metadata).toString(),
  ]);
}

test("random scripts with repeats, bursts, truncations, deletes, reclaims and restarts have the same answers", async () => {
  const directory = temporaryDirectory("differential");
  let count = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const path = join(directory, `${count++}.lmdb`);
      const model = new Script(new MemoryEventStore());
      const real = new Script(await openLmdbEventStore({ path, create: true }), path);
      try {
        for (const [i, step] of script.entries()) assert.equal(await real.run(step), await model.run(step), `step ${i}: ${JSON.stringify(step)}`);
      } finally {
        await real.store.close();
      }
    }),
    { numRuns: scale(2000), seed: campaignSeed() },
  );
});

test.run();
