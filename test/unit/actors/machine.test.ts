/** The machine actor's life where the event store goes away: what was served once comes back, a first start says what is wrong. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createActor, fromPromise, waitFor } from "xstate";
import { machineActor } from "../../../src/actors/machine/index.ts";
import type { OpenedMachine } from "../../../src/actors/machine/index.ts";
import { RainbowError } from "../../../src/core/index.ts";

const test = suite("machine actor");
const away = new RainbowError("STORE_UNREACHABLE", "the server is away");

/** Opens with each outcome in turn; the last one goes on. */
function actorOf(...outcomes: readonly (OpenedMachine | RainbowError)[]) {
  let next = 0;
  const open = fromPromise(async () => {
    const outcome = outcomes[Math.min(next++, outcomes.length - 1)]!;
    if (outcome instanceof RainbowError) throw outcome;
    return outcome;
  });
  const actor = createActor(machineActor.provide({ actors: { open, close: fromPromise(async (): Promise<void> => {}) }, delays: { reopenMs: 1 } }));
  return actor.start();
}

test("a store that cannot be reached at the first start breaks it: whoever started it is told", async () => {
  const actor = actorOf(away);
  await waitFor(actor, (snapshot) => snapshot.matches("broken"));
  assert.is(actor.getSnapshot().context.failure, away);
});

test("a store that went away while it was served is tried again until it is back", async () => {
  const opened = {} as OpenedMachine;
  const actor = actorOf(opened, away, away, opened);
  await waitFor(actor, (snapshot) => snapshot.matches("serving"));
  actor.send({ type: "INGEST_FAILED", cause: away });
  await waitFor(actor, (snapshot) => snapshot.context.opened === undefined);
  await waitFor(actor, (snapshot) => snapshot.matches("serving"));
  assert.is(actor.getSnapshot().context.failure, undefined);
});

test("damage that shows at a later opening is told at once", async () => {
  const damage = new RainbowError("EVENT_CORRUPT", "a bit has rotted");
  const actor = actorOf({} as OpenedMachine, damage);
  await waitFor(actor, (snapshot) => snapshot.matches("serving"));
  actor.send({ type: "INGEST_FAILED", cause: away });
  await waitFor(actor, (snapshot) => snapshot.matches("broken"));
  assert.is(actor.getSnapshot().context.failure, damage);
});

test.run();
