/** The mirror actor's life: when it syncs, how requests are joined, what is tried again, and when somebody must look. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createActor, fromPromise, SimulatedClock } from "xstate";
import { mayWorkLater, mirrorActor, mirrorAlarms, nextStartMs, retryDelayMs } from "../../../src/actors/mirror/index.ts";
import type { SyncOutcome, SyncPhase } from "../../../src/actors/mirror/index.ts";
import { RainbowError } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";

const test = suite("mirror actor");
const away = new RainbowError("RSYNC_ENDED", "the connection broke");
const refused = new RainbowError("RSYNC_REFUSED", "no such module");
const outcome = (heldBecause = ""): SyncOutcome =>
  ({ counts: {}, isUnchanged: false, ioError: 0, heldBecause, heldBy: "d" as ByteString, queuedCount: 0 }) as unknown as SyncOutcome;

/** An actor whose syncs end when the test says so. */
function actorOf(everyMs?: number) {
  const clock = new SimulatedClock();
  const syncs: { readonly cause: string; readonly end: (result: SyncOutcome | Error) => Promise<void>; readonly signal: AbortSignal }[] = [];
  const sync = fromPromise<SyncOutcome, { readonly cause: string }>(({ input, signal }) => {
    const ended = Promise.withResolvers<SyncOutcome>();
    const end = async (result: SyncOutcome | Error): Promise<void> => {
      if (result instanceof Error) ended.reject(result);
      else ended.resolve(result);
      for (let i = 0; i < 5; i++) await Promise.resolve();
    };
    syncs.push({ cause: input.cause, end, signal });
    return ended.promise;
  });
  const input = { everyMs, lastStartedMs: undefined, nowMs: () => clock.now(), jitter: () => 0.5 };
  const actor = createActor(mirrorActor.provide({ actors: { sync } }), { clock, input });
  actor.start();
  return { actor, clock, syncs };
}

test("without a schedule it syncs when it is asked, and all who ask meanwhile are served by one more", async () => {
  const { actor, clock, syncs } = actorOf();
  clock.increment(10 ** 9);
  assert.is(syncs.length, 0);
  actor.send({ type: "TRIGGER", cause: "command" });
  for (let i = 0; i < 3; i++) actor.send({ type: "TRIGGER", cause: `push ${i}` });
  assert.is(syncs.length, 1);
  await syncs[0]!.end(outcome());
  assert.equal(
    syncs.map(({ cause }) => cause),
    ["command", "push 2"],
  );
  await syncs[1]!.end(outcome());
  assert.is(syncs.length, 2);
});

test("a schedule counts from start to start", async () => {
  const { clock, syncs } = actorOf(1000);
  clock.increment(0);
  assert.is(syncs.length, 1);
  clock.increment(400);
  await syncs[0]!.end(outcome());
  clock.increment(599);
  assert.is(syncs.length, 1);
  clock.increment(1);
  assert.is(syncs.length, 2);
  assert.is(syncs[1]!.cause, "schedule");
});

test("a schedule longer than the longest timer is kept", async () => {
  const everyMs = 60 * 24 * 3600_000;
  const { clock, syncs } = actorOf(everyMs);
  clock.increment(0);
  await syncs[0]!.end(outcome());
  clock.increment(everyMs - 1);
  assert.is(syncs.length, 1);
  clock.increment(1);
  assert.is(syncs.length, 2);
});

test("what may work later is tried again after a growing pause, or at once when somebody asks", async () => {
  const { actor, clock, syncs } = actorOf();
  actor.send({ type: "TRIGGER", cause: "command" });
  await syncs[0]!.end(away);
  assert.ok(actor.getSnapshot().matches("backingOff"));
  clock.increment(retryDelayMs(1, 0.5) - 1);
  assert.is(syncs.length, 1);
  clock.increment(1);
  assert.is(syncs.length, 2);
  await syncs[1]!.end(away);
  actor.send({ type: "TRIGGER", cause: "push" });
  assert.is(syncs.length, 3);
  await syncs[2]!.end(outcome());
  const { context } = actor.getSnapshot();
  assert.equal([context.attemptCount, context.failure], [0, undefined]);
});

test("what a person must see to is not tried again by itself", async () => {
  const { actor, clock, syncs } = actorOf();
  actor.send({ type: "TRIGGER", cause: "command" });
  await syncs[0]!.end(refused);
  clock.increment(10 ** 8);
  assert.is(syncs.length, 1);
  assert.equal(mirrorAlarms(actor.getSnapshot().context), ["no such module"]);
});

test("it is in the state of the phase that the sync tells, and a stop aborts the sync", async () => {
  const { actor, syncs } = actorOf();
  actor.send({ type: "TRIGGER", cause: "command" });
  const phases: readonly SyncPhase[] = ["connecting", "listing", "comparing", "fetching", "publishing", "deleting", "committing"];
  for (const phase of phases) {
    actor.send({ type: "PHASE", phase });
    assert.ok(actor.getSnapshot().matches({ syncing: phase }), phase);
  }
  actor.send({ type: "STOP" });
  assert.ok(actor.getSnapshot().matches("stopped"));
  assert.ok(syncs[0]!.signal.aborted);
});

test("removals that are held for a day raise an alarm that names the file", async () => {
  const { actor, clock, syncs } = actorOf(12 * 3600_000);
  clock.increment(0);
  for (let i = 0; i < 2; i++) {
    assert.equal(mirrorAlarms(actor.getSnapshot().context), []);
    await syncs[i]!.end(outcome("the server could not read everything"));
    clock.increment(12 * 3600_000);
  }
  assert.match(mirrorAlarms(actor.getSnapshot().context)[0] ?? "", /nothing was removed for 24 hours: the server could not read everything \('d'\)/);
  await syncs[2]!.end(outcome());
  assert.equal(mirrorAlarms(actor.getSnapshot().context), []);
});

test("pauses grow, have a longest, and differ", () => {
  assert.equal(
    [1, 2, 3].map((attempt) => retryDelayMs(attempt, 0)),
    [2500, 5000, 10_000],
  );
  assert.is(retryDelayMs(1000, 1), 30 * 60_000);
  assert.ok(retryDelayMs(1, 0.9) > retryDelayMs(1, 0.1));
  assert.is(mayWorkLater(new Error("a bug")), false);
  assert.is(nextStartMs({ everyMs: 10, lastStartedMs: 95, nowMs: () => 100, jitter: () => 0 }), 105);
});

test.run();
