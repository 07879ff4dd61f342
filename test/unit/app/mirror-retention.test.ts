/** What is kept of a mirror's past, and for how long: its own policy and snapshots, carried out by the looks of a host that runs for months. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Operations } from "../../../src/app/operations/types.ts";
import { byteStringOfText, isRainbowError } from "../../../src/core/index.ts";
import type { MirrorFact } from "../../../src/projections/index.ts";
import { all, instant, mirrorHistory, MirrorWorld, NOW } from "../../support/mirror-world.ts";
import { HandClock } from "../../support/projected-machine.ts";

const HOUR_US = 3600e6;
const DAY_US = 24 * HOUR_US;
const mirror = "debian";

async function codeOf(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isRainbowError(error) ? error.code : "none";
}

const namesOf = async (operations: Operations): Promise<string[]> => (await operations.snapshots({ mirror })).map(({ name }) => name);

/** A sync that replaces every file. */
const changes = (day: number): MirrorFact[] =>
  Array.from({ length: 300 }, (_, i) => ({
    type: "FileArrived",
    path: byteStringOfText(`pool/${i}/file-${i}.deb`),
    kind: "file",
    mode: 0o644,
    mtimeSeconds: day,
    mtimeNanos: 0,
    sizeBytes: day,
    rdev: 0,
    digest: { name: "xxh128", bytes: Buffer.alloc(16, day) },
    place: { version: undefined, etag: `e${day}` },
  }));

const test = suite("what is kept of mirrors");

test("the window moves by itself, also where syncs lie days apart; a pinned snapshot stays, space and events go", async () => {
  const clock = new HandClock();
  clock.us = 1_700_000_000e6;
  const world = new MirrorWorld(undefined, clock);
  const opened = await world.mirrors.add({ label: mirror, source: "rsync://host/module", target: world.target, options: {} });
  await world.operations.setPolicy({ words: ["keep=30d", "window=7d"], acceptTime: false, mirror });
  const { signal } = new AbortController();
  const usages: number[] = [];
  let pinned = 0;
  for (let day = 0; day < 60; day++) {
    if (day % 3 === 0) {
      const revision = await (await opened.files()).record(changes(day));
      await opened.machine.projection.projected(revision);
    }
    if (day === 6) pinned = (await world.operations.snapshot({ name: "release", at: NOW, pinned: true, mirror })).revision;
    if (day === 9) await world.operations.snapshot({ name: "passing", at: NOW, pinned: false, mirror });
    for (let look = 0; look < 4; look++) {
      await world.mirrors.look(signal);
      clock.us += 6 * HOUR_US;
    }
    usages.push(opened.machine.dig.usage().allocatedBytes);
  }
  const { projection, dig, stream } = opened.machine;
  const windowAgeUs = clock.us - (await projection.timeOf(projection.window()));
  assert.ok(windowAgeUs >= 7 * DAY_US && windowAgeUs < 12 * DAY_US, `the window began ${windowAgeUs / DAY_US} days ago`);
  assert.equal(await namesOf(world.operations), ["release"]);
  assert.is((await world.paths("mirror:debian/pool", instant(pinned), 1)).length, 300);
  assert.is(await codeOf(world.paths("mirror:debian", instant(pinned + 1))), "INSTANT_OUTSIDE");
  assert.ok(dig.trees.list().length < 15, "trees of before went");
  assert.ok((await world.store.info(stream)).truncatedBefore > pinned, "and events");
  assert.ok(usages[59]! <= usages[20]! * 1.2, `space went, too: ${usages[20]} bytes after 20 days, ${usages[59]} after 60`);
  assert.equal((await world.operations.policy({ mirror })).jumps, []);
  await world.mirrors.close();
});

test("a policy, snapshots and a rebase of a mirror are its own", async () => {
  const { world, revisions } = await mirrorHistory();
  const { operations } = world;
  await operations.setPolicy({ words: ["window=2d"], acceptTime: false, mirror });
  assert.is((await operations.policy({ mirror })).values["window"], 2 * DAY_US);
  await operations.snapshot({ name: "first", at: instant(revisions[0]!), pinned: false, mirror });
  assert.is(await codeOf(operations.snapshot({ name: "first", at: NOW, pinned: false, mirror })), "USAGE");
  assert.equal(await world.paths("mirror:debian/pool", { kind: "name", name: "first" }), ["mirror:debian/pool/a.deb"]);
  assert.is((await operations.retention({ days: 0, mirror })).lostRevisions, 0);
  const [rebased] = (await all(operations.rebase({ to: instant(revisions[2]!), mirror }))).filter((item) => item.type === "rebased");
  assert.is(rebased!.windowRevision, revisions[2]);
  assert.is(await codeOf(world.paths("mirror:debian", instant(revisions[1]!))), "INSTANT_OUTSIDE");
  assert.equal(await world.paths("mirror:debian/pool", { kind: "name", name: "first" }), ["mirror:debian/pool/a.deb"]);
  await operations.dropSnapshot({ name: "first", mirror });
  assert.equal(await namesOf(operations), []);
  for (const asked of [operations.policy({ mirror: "other" }), operations.snapshots({ mirror: "other" }), operations.retention({ days: 1, mirror: "other" })])
    assert.is(await codeOf(asked), "NOT_FOUND");
  await world.mirrors.close();
});

test("a mirror that cannot be looked at keeps no other from it", async () => {
  const clock = new HandClock();
  clock.us = 1_700_000_000e6;
  const world = new MirrorWorld(undefined, clock);
  const add = (label: string) => world.mirrors.add({ label, source: "rsync://host/module", target: `${world.target}/${label}`, options: {} });
  const [broken, sound] = [await add("a"), await add("b")];
  broken.machine.dig.setLeftFree = () => {
    throw new Error("broken");
  };
  const before = sound.machine.projection.revision;
  clock.us += 25 * HOUR_US;
  let failure = "";
  await world.mirrors.look(new AbortController().signal).catch((error: unknown) => (failure = String(error)));
  assert.match(failure, /broken/);
  assert.ok(sound.machine.projection.revision > before, "it was looked at");
  await world.mirrors.close();
});

test.run();
