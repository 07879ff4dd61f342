/** What a Rainbow that is starting answers: its state at once, everything else when it can. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Starting } from "../../../src/app/starting.ts";
import type { Operations } from "../../../src/app/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { TimeUs } from "../../../src/core/index.ts";
import { AS_OF, bytes, entry, items, statusAnswer } from "../cli/fake-context.ts";

const test = suite("starting");
const ASKED = { path: bytes("/docs"), at: { kind: "now" }, depthMax: 1 } as const;

function make(onSleep: (nowUs: number) => void = () => undefined): { readonly starting: Starting; readonly passUs: (us: number) => void } {
  let nowUs = 0;
  const clock = {
    now: () => nowUs as TimeUs,
    monotonicUs: () => nowUs,
    sleep: async (ms: number) => {
      nowUs += ms * 1000;
      onSleep(nowUs);
    },
  };
  const starting = new Starting({ clock, dataDirectory: "/data", machine: "m", label: "box", version: "1" });
  return { starting, passUs: (us) => (nowUs += us) };
}

async function read<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of stream) found.push(item);
  return found;
}

test("status says how far the replay is, how fast, and how long it takes", async () => {
  const { starting, passUs } = make();
  assert.equal((await starting.operations.status()).reasons, ["it opens its stores"]);
  passUs(2_000_000);
  assert.equal(starting.note(1000, 5000), { doneEvents: 1000, allEvents: 5000, eventsPerSecond: 500, secondsLeft: 8 });
  const status = await starting.operations.status();
  assert.equal([status.state, status.reasons, status.replay?.secondsLeft], ["starting", ["it has replayed 1000 of 5000 events"], 8]);
});

test("what is asked meanwhile waits for the real table, and is BUSY where that takes too long", async () => {
  const real: Partial<Operations> = { list: () => items(AS_OF, entry("/docs/a")), status: async () => statusAnswer(), snapshots: async () => [] };
  const { starting } = make((nowUs) => {
    if (nowUs >= 1_000_000) starting.open(real as Operations);
  });
  assert.equal((await read(starting.operations.list(ASKED))).length, 2);
  assert.equal(await starting.operations.snapshots(), []);
  assert.is((await starting.operations.status()).state, "protecting");
  const slow = make();
  slow.starting.note(1, 9);
  for (const ask of [() => slow.starting.operations.snapshots(), () => read(slow.starting.operations.list(ASKED))]) {
    const failure = await ask().then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(isRainbowError(failure, "BUSY"));
    assert.match((failure as Error).message, /it has replayed 1 of 9 events/);
  }
});

test.run();
