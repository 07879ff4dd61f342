/** The table with its audit: every outcome is noted once, what is told of a store that takes nothing, and what is not noted at all. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Trail } from "../../../src/actors/audit/index.ts";
import { audited } from "../../../src/app/operations/audited.ts";
import type { OperationsContext } from "../../../src/app/operations/context.ts";
import type { Operations } from "../../../src/app/index.ts";
import { RainbowError } from "../../../src/core/index.ts";
import type { ByteString, Revision } from "../../../src/core/index.ts";
import { decodeAudit, MemoryEventStore, NO_STREAM } from "../../../src/events/index.ts";
import type { ActionNoted, Appended, NewEvent } from "../../../src/events/index.ts";
import { AUDIT_STREAM, MACHINE, TickingClock } from "../../support/audit-history.ts";
import { AS_OF, bytes, entry, items } from "../cli/fake-context.ts";

const test = suite("table with its audit");
const ASKER = { uid: 1007, user: "alice", loginUid: 1001, pid: 99 };
const PAST = { kind: "revision", revision: 5 } as const;
const NOW = { kind: "now" } as const;

class Store extends MemoryEventStore {
  isFull = false;
  override async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    if (this.isFull) throw new RainbowError("DISK_FULL", "no space is left");
    return await super.append(stream, expected, events);
  }
}

type Asked = (request: unknown, signal?: AbortSignal, asker?: unknown) => unknown;

interface World {
  readonly store: Store;
  readonly trail: Trail;
  /** Asks as somebody at the socket does, and takes at most so many items. */
  ask(name: keyof Operations, request: unknown, takeMax?: number): Promise<unknown[]>;
  noted(): Promise<ActionNoted[]>;
}

function world(table: Partial<Operations>): World {
  const [store, clock] = [new Store(), new TickingClock()];
  const trail = new Trail({ store: () => store, stream: AUDIT_STREAM, clock });
  let count = 0;
  const host = { trail, witness: () => ({ revision: NO_STREAM, chainHash: "" }) };
  const context = { host, clock, machine: MACHINE, random: { uuid: () => `request ${++count}` } } as unknown as OperationsContext;
  const operations = audited(context, table as Operations);
  const ask = async (name: keyof Operations, request: unknown, takeMax = Number.POSITIVE_INFINITY): Promise<unknown[]> => {
    const answer = (operations[name] as Asked)(request, undefined, ASKER);
    if (answer instanceof Promise) return [await answer];
    const taken: unknown[] = [];
    for await (const item of answer as AsyncIterable<unknown>) if (taken.push(item) >= takeMax) break;
    return taken;
  };
  const noted = async (): Promise<ActionNoted[]> =>
    (await store.read(AUDIT_STREAM, { maxCount: 1000 })).map((stored) => decodeAudit(stored).event).filter((event) => event.type === "ActionNoted");
  return { store, trail, ask, noted };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const failing = (error: Error) =>
  async function* () {
    yield AS_OF;
    throw error;
  };

test("an entry says who asked for what, as of when, and what came of it", async () => {
  const { ask, noted } = world({ read: () => items(AS_OF, { type: "bytes", bytes: Buffer.from("x") } as const) });
  await ask("read", { path: bytes("/docs/a"), at: PAST });
  const [only, ...others] = await noted();
  assert.equal(others, []);
  const { uid, user, loginUid, pid, action, operation, paths, revision, result, machine, detail } = only!;
  assert.equal({ uid, user, loginUid, pid }, ASKER);
  assert.equal([action, operation, paths, revision, result, machine, detail], ["read", "read", ["/docs/a"], 4821, "done", MACHINE, "content"]);
});

test("a refusal, a failure and a reader that went away are told apart, and the answer is what it was", async () => {
  const refused = new RainbowError("NOT_FOUND", "nothing of that name");
  const failed = new RainbowError("DIG_CHECKSUM", "block 9 is bad");
  const bug = new TypeError("a bug");
  const outcomes: string[][] = [];
  for (const error of [refused, failed, bug]) {
    const { ask, noted } = world({ read: failing(error) as never, setPolicy: () => Promise.reject(error) });
    assert.is(await failureOf(ask("read", { path: bytes("/a"), at: NOW })), error);
    assert.is(await failureOf(ask("setPolicy", { words: ["keep=1d"], acceptTime: false })), error);
    outcomes.push((await noted()).map(({ result, code, detail }) => `${result} ${code} ${detail}`));
  }
  assert.equal(outcomes, [
    ["refused NOT_FOUND content: nothing of that name", "refused NOT_FOUND keep=1d: nothing of that name"],
    ["failed DIG_CHECKSUM content: block 9 is bad", "failed DIG_CHECKSUM keep=1d: block 9 is bad"],
    ["failed  content: a bug", "failed  keep=1d: a bug"],
  ]);
  const { ask, noted } = world({ list: () => items(AS_OF, entry("/docs/a"), entry("/docs/b")) });
  assert.is((await ask("list", { path: bytes("/docs"), at: PAST, depthMax: 1 }, 2)).length, 2);
  assert.equal(
    (await noted()).map(({ result }) => result),
    ["stopped"],
  );
});

test("what takes long is noted before anything comes of it, and again when it has ended", async () => {
  let atStart: readonly string[] = [];
  const results = async (): Promise<string[]> => (await one.noted()).map(({ request, result }) => `${request} ${result}`);
  const one = world({
    restore: async function* () {
      atStart = await results();
      yield { ...AS_OF };
      yield {
        type: "summary",
        createdCount: 2,
        replacedCount: 1,
        sameCount: 0,
        deletedCount: 0,
        writtenBytes: 5,
        failedCount: 1,
        doubtfulCount: 0,
        purgedCount: 0,
      };
    },
  });
  await one.ask("restore", { path: bytes("/docs"), at: PAST, target: bytes("/tmp/x"), dryRun: false, delete: true, inPlace: false });
  assert.equal(atStart, ["request 1 started"]);
  assert.equal(await results(), ["request 1 started", "request 1 done"]);
  assert.is((await one.noted())[1]?.detail, "to '/tmp/x', deleting what was not there: 2 created, 1 replaced, 1 failed");
});

test("asking how things stand now is not noted, nor is a purge that is only shown", async () => {
  const { ask, store } = world({
    list: () => items(AS_OF, entry("/docs/a")),
    purge: () => items({ type: "purge-plan" } as never),
    snapshots: async () => [],
  });
  await ask("list", { path: bytes("/docs"), at: NOW, depthMax: 1 });
  await ask("purge", { paths: [bytes("/docs/a")], keepPresent: false, dryRun: true });
  await ask("snapshots", {});
  assert.is((await store.info(AUDIT_STREAM)).headRevision, NO_STREAM);
});

test("a store that takes nothing loses nobody's restore: it goes on, and says that its entry waits", async () => {
  const { ask, store, trail, noted } = world({ restore: () => items({ ...AS_OF, type: "as-of" } as never) });
  store.isFull = true;
  const [asOf] = (await ask("restore", { path: bytes("/docs"), at: PAST, target: bytes("/tmp/x") })) as {
    readonly notices?: readonly string[];
    readonly warnings: readonly string[];
  }[];
  assert.match(asOf?.notices?.join() ?? "", /the audit cannot be written just now \(no space is left\); 1 of its entries wait in memory/);
  assert.equal(asOf?.warnings, [], "it is no doubt about the answer");
  assert.is(trail.state.waitingCount, 2);
  store.isFull = false;
  while (trail.state.waitingCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(
    (await noted()).map(({ result }) => result),
    ["started", "done"],
  );
});

test("what was asked for may be no path at all: the entry is within its limits all the same", async () => {
  const { ask, noted } = world({ purge: () => items(), read: () => items(AS_OF as never) });
  const paths = Array.from({ length: 40 }, (_, i) => bytes(`/docs/${i}`));
  await ask("purge", { paths, keepPresent: false, dryRun: false });
  await ask("read", { path: `/${"\u{1f308}".repeat(5000)}` as ByteString, at: NOW });
  const [start, done, read] = await noted();
  assert.equal([start?.paths.length, start?.detail, done?.result], [16, "and 24 more paths", "done"]);
  assert.is(read?.paths[0]?.length, 4096);
});

test.run();
