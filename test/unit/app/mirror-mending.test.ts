/** What a mirror keeps beside its events is made again from them, or set aside, and every answer is the same. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closeMachine, openMachine } from "../../../src/actors/machine/index.ts";
import type { OpenedMachine } from "../../../src/actors/machine/index.ts";
import { commitRebase, finishRebase } from "../../../src/actors/retention/index.ts";
import type { DataDirectory } from "../../../src/app/data-directory.ts";
import { openDisk, openOs } from "../../../src/app/os/index.ts";
import type { Operations } from "../../../src/app/operations/types.ts";
import { systemClock, systemRandom } from "../../../src/app/platform.ts";
import { rebuildAll } from "../../../src/app/rebuild-machine.ts";
import { EXIT, isRainbowError } from "../../../src/core/index.ts";
import type { ByteString, Epoch, TimeUs } from "../../../src/core/index.ts";
import { openDig } from "../../../src/dig/index.ts";
import { openLmdbControl } from "../../../src/dig/lmdb/index.ts";
import { ChainedStream } from "../../../src/events/index.ts";
import { all, instant, mirrorHistory, NOW } from "../../support/mirror-world.ts";
import type { MirrorWorld } from "../../support/mirror-world.ts";

const MACHINE = "00000000-0000-4000-8000-00000000000c";

async function answers(world: MirrorWorld, revisions: readonly number[]): Promise<unknown> {
  const lists = await Promise.all(revisions.map((revision) => world.paths("mirror:debian", instant(revision))));
  return { lists, text: await world.text("mirror:debian/dists/Release", NOW) };
}

function placeOf({ directory }: MirrorWorld, mirror = readdirSync(join(directory, "mirrors"))[0]!): string {
  return join(directory, "mirrors", mirror);
}

/** What a machine needs beside, to be repaired too. */
async function enrolMachine({ directory, store }: MirrorWorld): Promise<DataDirectory> {
  const hashKey = Buffer.alloc(32, 1);
  const dig = await openDig({
    disk: openDisk(openOs()),
    directory: join(directory, "machines", MACHINE),
    hashKey,
    control: openLmdbControl,
    create: { uuid: MACHINE, quotaBytes: 2 ** 30 },
  });
  await dig.close();
  const chain = await ChainedStream.open(store, `machine-${MACHINE}`);
  const batch = { agentTimeUs: 0 as TimeUs, hostTimeUs: 0 as TimeUs, monotonicUs: 0, epoch: 0 as Epoch, sequence: 0, correlation: "" };
  await chain.append([{ type: "MachineEnrolled", machine: MACHINE, label: "m", hashKey: hashKey.toString("hex"), dataFile: MACHINE }], batch);
  return { path: directory, format: { machine: MACHINE } } as DataDirectory;
}

/** The host's own machine, which is looked at first. */
function openOwn({ directory, store }: MirrorWorld): Promise<OpenedMachine> {
  const create = { uuid: MACHINE, quotaBytes: 2 ** 30 };
  return openMachine({
    stream: `machine-${MACHINE}`,
    enrol: (identity) => ({ type: "MachineEnrolled", machine: MACHINE, label: "m", ...identity }),
    version: "test",
    store,
    openDig: (hashKey) => openDig({ disk: openDisk(openOs()), directory: join(directory, "own"), hashKey, control: openLmdbControl, create }),
    quiet: true,
    clock: systemClock(),
    random: systemRandom(),
    onReplay: () => undefined,
    onFailed: () => undefined,
  });
}

/** The last block of the data file: the newest tree's. */
function damage(place: string): void {
  const path = join(place, "data.dig");
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0x5a, bytes.length - 4096));
}

async function problemsOf(operations: Operations): Promise<string[]> {
  const items = await all(operations.check({ readData: true }));
  return items.flatMap((item) => (item.type === "problem" ? [item.where] : []));
}

const test = suite("mending of mirrors");

test("trees that are lost are made again from the events", async () => {
  const { world, revisions } = await mirrorHistory();
  const before = await answers(world, revisions);
  await world.mirrors.close();
  rmSync(placeOf(world), { recursive: true });
  await world.reopen();
  assert.equal(await answers(world, revisions), before);
  await world.mirrors.close();
});

test("a control file that is lost, or made again by repair, costs nothing", async () => {
  const { world, revisions } = await mirrorHistory();
  const before = await answers(world, revisions);
  await world.mirrors.close();
  rmSync(join(placeOf(world), "control.lmdb"));
  await world.reopen();
  assert.equal(await answers(world, revisions), before);
  await world.mirrors.close();
  rmSync(join(placeOf(world), "control.lmdb"));
  await rebuildAll(openDisk(openOs()), await enrolMachine(world), world.store);
  await world.reopen();
  assert.equal(await answers(world, revisions), before);
  const files = await (await world.mirrors.named("debian")).files();
  await files.record([{ type: "FileWithdrawn", path: "dists" as ByteString, reason: "gone" }]);
  await world.mirrors.close();
});

test("what is remembered beside the events is set aside where it is damaged", async () => {
  const { world, revisions } = await mirrorHistory();
  const before = await answers(world, revisions);
  const files = await (await world.mirrors.named("debian")).files();
  await files.deletions.add(["x" as ByteString], 5 as TimeUs);
  await world.mirrors.close();
  const path = join(placeOf(world), "memory.lmdb");
  writeFileSync(path, Buffer.alloc(16_384, 0x5a));
  await world.reopen();
  assert.equal(await answers(world, revisions), before);
  assert.is((await (await world.mirrors.named("debian")).files()).deletions.count, 0);
  assert.ok(existsSync(`${path}.damaged`));
  await world.mirrors.close();
});

test("check looks at mirrors too, and replay builds their trees anew", async () => {
  const { world, mirror, revisions } = await mirrorHistory();
  const before = await answers(world, revisions);
  await mirror.machine.projection.buildTree();
  const own = await openOwn(world);
  const operations = world.answers(own);
  assert.equal(await problemsOf(operations), []);
  await all(operations.replay({ verify: false }));
  await closeMachine(own);
  await world.reopen();
  assert.equal(await answers(world, revisions), before);
  await world.mirrors.close();
  damage(placeOf(world));
  await world.reopen();
  assert.equal(await answers(world, revisions), before, "damaged trees are made again");
  await world.mirrors.close();
});

test("a mirror whose trees cannot be made again does not take along the others, and check names it", async () => {
  const { world, mirror, revisions } = await mirrorHistory();
  const { machine } = mirror;
  await machine.projection.buildTree();
  const context = { machine, store: world.store, clock: systemClock(), signal: new AbortController().signal };
  await commitRebase(context, machine.projection.revision);
  await finishRebase(context);
  await world.mirrors.add({ label: "other", source: "rsync://host/other", target: world.target, options: {} });
  const place = placeOf(world, machine.machine);
  await world.mirrors.close();
  damage(place);
  await world.reopen();
  assert.is((await world.mirrors.named("other")).definition().label, "other");
  const refused = await world.paths("mirror:debian", instant(revisions[2]!)).catch((error: unknown) => error);
  assert.ok(isRainbowError(refused) && refused.exitCode === EXIT.damaged);
  const own = await openOwn(world);
  assert.equal(await problemsOf(world.answers(own)), [`mirror ${machine.machine}`]);
  await closeMachine(own);
  await world.mirrors.close();
});

test("retention looks at mirrors too, and leaves alone what is young", async () => {
  const { world, revisions } = await mirrorHistory();
  const before = await answers(world, revisions);
  await world.mirrors.look(new AbortController().signal);
  assert.equal(await answers(world, revisions), before);
  await world.mirrors.close();
});

test.run();
