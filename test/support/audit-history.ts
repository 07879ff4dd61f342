/** A machine's stream and a host's audit in memory, as actors write them, and ways to tamper with them. */
import { Trail } from "../../src/actors/audit/index.ts";
import type { Entry } from "../../src/actors/audit/index.ts";
import type { Clock, Epoch, NodeId, Revision, TimeUs } from "../../src/core/index.ts";
import { ChainedStream, MemoryEventStore, NO_STREAM } from "../../src/events/index.ts";
import type { EventStore, MachineEvent, NewEvent, StoredEvent } from "../../src/events/index.ts";

export const MACHINE = "00000000-0000-4000-8000-00000000000a";
export const MACHINE_STREAM = `machine-${MACHINE}`;
export const AUDIT_STREAM = `host-audit-${MACHINE}`;
const NOON = 1_777_636_800_000_000;

/** Goes on by a second with each look, and sleeps in no time. */
export class TickingClock implements Clock {
  us = NOON;
  sleeps = 0;
  now(): TimeUs {
    this.us += 1_000_000;
    return this.us as TimeUs;
  }
  monotonicUs(): number {
    return this.us;
  }
  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.sleeps += 1;
    // A wait that nobody cuts short ends after a few turns of the loop: long enough for what a store in memory does.
    for (let i = 0; i < 20 && signal?.aborted !== true; i++) await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted !== true) this.us += delayMs * 1000;
  }
}

export function entryOf(more: Partial<Entry> = {}): Entry {
  return {
    request: "00000000-0000-4000-8000-000000000001",
    action: "restore",
    operation: "restore",
    uid: 1000,
    user: "alice",
    loginUid: -1,
    pid: 4711,
    machine: MACHINE,
    paths: [],
    revision: 3 as Revision,
    result: "done",
    code: "",
    detail: "",
    atUs: NOON as TimeUs,
    witness: { revision: NO_STREAM, chainHash: "" },
    ...more,
  };
}

const change = (i: number, salt: string): MachineEvent => ({ type: "SizeSet", node: i as NodeId, sizeBytes: i + salt.length });

/** Batches of 1, 2, 3, 1 … events; after each third one an entry that names how far the machine was. `salt` makes it another history. */
export async function writeHistory(store: EventStore, batchCount: number, { salt = "", isWitnessed = true } = {}): Promise<void> {
  const clock = new TickingClock();
  const chain = await ChainedStream.open(store, MACHINE_STREAM);
  const trail = new Trail({ store: () => store, stream: AUDIT_STREAM, clock });
  for (let sequence = 1; sequence <= batchCount; sequence++) {
    const events = Array.from({ length: 1 + (sequence % 3) }, (_, i) => change(sequence * 10 + i, salt));
    const times = { agentTimeUs: clock.now(), hostTimeUs: clock.now(), monotonicUs: sequence };
    await chain.append(events, { ...times, epoch: 1 as Epoch, sequence, correlation: "" });
    if (!isWitnessed || sequence % 3 !== 0) continue;
    const { revision, chainHash } = chain.head;
    await trail.note(entryOf({ request: `request ${sequence}`, witness: { revision, chainHash: chainHash.toString("hex") } }));
  }
  await trail.close();
}

/** The same streams in another store, each after `change` had its way with it. Revisions are given anew, as whoever tampers would. */
export async function tamperedCopy(
  store: EventStore,
  tamper: (events: StoredEvent[], stream: string) => readonly NewEvent[],
  to: EventStore = new MemoryEventStore(),
): Promise<EventStore> {
  for (const { stream, headRevision, truncatedBefore } of await store.streams("")) {
    const kept = await store.read(stream, { maxCount: 10_000 });
    const gone = Array.from({ length: truncatedBefore }, (_, i): NewEvent => ({
      id: Buffer.alloc(16, i + 1),
      type: "Gone",
      data: Buffer.alloc(0),
      metadata: Buffer.alloc(0),
    }));
    const events = [...gone, ...tamper(kept, stream)];
    if (events.length === 0 || headRevision < 0) continue;
    await to.append(stream, NO_STREAM, events);
    if (truncatedBefore > 0) await to.truncateBefore(stream, truncatedBefore);
  }
  return to;
}
