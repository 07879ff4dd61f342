/**
 * A process that syncs, over one connection or several, is killed at any moment, again and again, while upstream changes, takes its changes
 * back and turns files into directories. The next sync that reaches its end leaves in the target what upstream has, and a list that a
 * check finds nothing wrong with.
 */
// Time limit: 900 s
import { spawn, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFiles } from "../../src/actors/mirror-files/index.ts";
import { readBrokenUploads } from "../../src/app/mirroring/broken-uploads-file.ts";
import { openOs, openXxh3 } from "../../src/app/os/index.ts";
import { systemRandom } from "../../src/app/platform.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { bucketLines, upstreamLines } from "../support/bucket-lines.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("mirror: kill -9");
const SYNCER = join(import.meta.dirname, "../support/mirror-syncer.ts");
const FOLDERS = 12;
const FILES = 25;
const CHANGES = 60;

interface Counts {
  readonly arrivedCount: number;
  readonly touchedCount: number;
  readonly withdrawnCount: number;
  readonly receivedBytes: number;
  readonly reusedBytes: number;
  readonly heldBecause: string;
}

type Environment = Readonly<Record<string, string>>;

interface Ran {
  /** undefined: it was killed. */
  readonly counts: Counts | undefined;
  /** From its first comparison to its end: before it nothing is changed in the target. */
  readonly workedMs: number;
}

/** Runs to its end, or until it is killed: when `until` has resolved, which is called at its first comparison. */
function run(words: readonly string[], environment: Environment, until?: () => Promise<unknown>): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SYNCER, ...words], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
    let [said, told] = ["", ""];
    let comparedMs: number | undefined;
    child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => {
      told += bytes.toString();
      if (comparedMs !== undefined || !told.includes("comparing")) return;
      comparedMs = performance.now();
      void until?.().then(() => child.kill("SIGKILL"));
    });
    child.once("close", (code, signal) => {
      const workedMs = performance.now() - (comparedMs ?? Infinity);
      if (signal === "SIGKILL") resolve({ counts: undefined, workedMs });
      else if (code === 0) resolve({ counts: JSON.parse(said) as Counts, workedMs });
      else reject(new Error(`the sync ended with ${code}: ${told}`));
    });
  });
}

/** An upstream that changes, and takes back what it changed, with every time as it was. */
class Upstream {
  private readonly random: SeededRandom;
  private readonly path: string;
  private readonly kept = temporaryDirectory("kept");
  private changeCount = 0;

  constructor(random: SeededRandom, path: string) {
    this.random = random;
    this.path = path;
    for (let i = 0; i < FOLDERS; i++) {
      mkdirSync(join(path, `d${i}`));
      for (let j = 0; j < FILES; j++) this.write(join(path, `d${i}`, `f${j}`));
    }
  }

  change(): void {
    const { random } = this;
    copyTree(this.path, this.kept);
    for (let i = 0; i < CHANGES; i++) this.changeOne(this.anyName(FILES + 5));
    for (let i = 0; i < 3; i++) rmSync(this.anyName(FILES), { recursive: true, force: true });
    const folder = join(this.path, `d${random.int(FOLDERS)}`);
    renameSync(folder, join(this.path, "moved"));
    mkdirSync(folder);
    renameSync(join(this.path, "moved"), join(folder, `was${this.changeCount++}`));
  }

  revert(): void {
    copyTree(this.kept, this.path);
  }

  private anyName(count: number): string {
    return join(this.path, `d${this.random.int(FOLDERS)}`, `f${this.random.int(count)}`);
  }

  private changeOne(path: string): void {
    const { random } = this;
    const found = lstatSync(path, { throwIfNoEntry: false });
    const isFile = found === undefined || found.isFile();
    if (isFile && random.chance(0.1)) {
      if (found !== undefined) utimesSync(path, 1_600_000_000, 1_600_000_000 + random.int(1000));
      return;
    }
    if (isFile && random.chance(0.9)) return this.write(path);
    rmSync(path, { recursive: true, force: true });
    const kind = random.int(3);
    if (kind === 0) this.write(path);
    else if (kind === 1) symlinkSync(`to${random.int(1000)}`, path);
    else {
      mkdirSync(path);
      for (let i = random.int(3); i > 0; i--) this.write(join(path, `f${i}`));
    }
  }

  private write(path: string): void {
    writeFileSync(path, this.random.bytes(this.random.chance(0.02) ? 2_500_000 : this.random.int(6000)));
  }
}

/** With every time as it is. */
function copyTree(from: string, to: string): void {
  for (const name of readdirSync(to)) rmSync(join(to, name), { recursive: true });
  const { status, stderr } = spawnSync("cp", ["-a", `${from}/.`, to], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

async function faults(directory: string, store: ObjectStore): Promise<string[]> {
  const events = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: false });
  const mirror = await StoredMirror.at(directory, events, false);
  const found: string[] = [];
  try {
    const files = await mirror.opened.files();
    assert.ok(files.intents.isEmpty, "something is noted still");
    for await (const item of checkFiles(files, store, { readsData: true, mends: false, digests: () => openDigests(openXxh3()) }))
      if (item.type === "fault") found.push(`${item.path} is ${item.what}: ${item.detail}`);
  } finally {
    await mirror.opened.close();
    await events.close();
  }
  return found;
}

const LARGE_BYTES = 192 << 20;
const CHECKPOINT_BYTES = 16 << 20;
const BYTES_PER_SECOND = 48 << 20; // Slow enough to be killed in the middle, on any machine.

/** Kills a process as soon as it has written down how far it is, and lets another go on. */
async function killAtCheckpoint(rig: MirrorRig, { place, environment, isAsUpstream }: Target): Promise<void> {
  writeFileSync(join(rig.upstream, "large"), seededRandom(campaignSeed()).bytes(LARGE_BYTES));
  const directory = join(temporaryDirectory("killed"), "mirror");
  const words = [String(rig.daemon.port), "tree", place, directory];
  const checkpoint = join(directory, "broken-uploads.json");
  const coveredBytes = (): number => readBrokenUploads(checkpoint).reduce((sum, { sums }) => sum + sums.blockBytes * sums.blockCount, 0);
  const first = await run([...words, "1", "0", String(BYTES_PER_SECOND), String(CHECKPOINT_BYTES)], environment, async () => {
    while (coveredBytes() < 4 * CHECKPOINT_BYTES) await sleep(5);
  });
  assert.is(first.counts, undefined, "it was killed");
  const { counts } = await run(words, environment);
  const { receivedBytes, reusedBytes } = counts!;
  console.log(`${receivedBytes} of ${LARGE_BYTES} bytes came again, ${reusedBytes} were there`);
  // A bucket may have the last parts that were sent, or not.
  assert.ok(reusedBytes >= 2 * CHECKPOINT_BYTES && receivedBytes < LARGE_BYTES - reusedBytes + (1 << 20), "what was there did not come again");
  assert.not.ok(existsSync(checkpoint));
  await isAsUpstream("after it was gone on with");
}

interface Target {
  /** As the syncer takes it. */
  readonly place: string;
  readonly environment: Environment;
  readonly store: ObjectStore;
  readonly isAsUpstream: (what: string) => Promise<void>;
}

type Body = (rig: MirrorRig, target: Target) => Promise<void>;

async function killAndCompare(rig: MirrorRig, { place, environment, store, isAsUpstream }: Target): Promise<void> {
  const random = seededRandom(campaignSeed());
  const upstream = new Upstream(random, rig.upstream);
  const directory = join(temporaryDirectory("killed"), "mirror");
  const words = [String(rig.daemon.port), "tree", place, directory];
  const lanes = (): readonly string[] => (random.chance(0.5) ? [] : ["4", String(random.pick([1, 3000, 5000]))]);
  // A first start makes the stores; that it can be killed there is the stores' own matter.
  let { workedMs } = await run(words, environment);
  let killedCount = 0;
  for (let round = 0; round < scale(40); round++) {
    for (let kills = 1 + random.int(3); kills > 0; kills--) {
      upstream.change();
      const killAfterMs = random.int(Math.ceil(workedMs));
      // The first one is killed at once: later it may have ended by then, as machines are not always as fast as they were.
      if ((await run([...words, ...lanes()], environment, () => sleep(killedCount === 0 ? 0 : killAfterMs))).counts === undefined) killedCount++;
      if (random.chance(0.6)) upstream.revert();
    }
    const whole = await run([...words, ...lanes()], environment);
    workedMs = whole.workedMs;
    assert.is(whole.counts?.heldBecause, "");
    await isAsUpstream(`round ${round}`);
  }
  assert.ok(killedCount > 0, "no sync was killed");
  const { counts } = await run(words, environment);
  assert.equal([counts?.arrivedCount, counts?.touchedCount, counts?.withdrawnCount], [0, 0, 0]);
  assert.equal(await faults(directory, store), []);
}

async function inTree(name: string, body: Body): Promise<void> {
  if (!hasCommand("rsync")) return skipped(`mirror: ${name}`, "rsync is not installed");
  const rig = await MirrorRig.open();
  const store = openDirectoryStore({ path: bytePath(rig.target), os: openOs(), random: systemRandom() });
  const isAsUpstream = (what: string): Promise<void> => Promise.resolve(assert.equal(rig.differences(), [], what));
  try {
    await body(rig, { place: rig.target, environment: {}, store, isAsUpstream });
  } finally {
    await store.close();
    await rig.close();
  }
}

const server = hasCommand("rsync") ? await startS3Server() : "rsync is not installed";
let buckets = 0;

async function inBucket(name: string, body: Body): Promise<void> {
  if (typeof server === "string") return skipped(`mirror: ${name}, into a bucket`, server);
  const { endpoint, credentials, environment } = server;
  const bucket = `killed-${++buckets}`;
  const store = await openS3Store({ bucket, prefix: "", create: true, versioning: undefined, endpoint, credentials });
  const rig = await MirrorRig.open();
  const isAsUpstream = async (what: string): Promise<void> => assert.equal(await bucketLines(store), upstreamLines(rig.upstream), what);
  try {
    await body(rig, { place: `s3://${bucket}`, environment, store, isAsUpstream });
  } finally {
    await rig.close();
    await store.close();
  }
}

test("whatever a killed sync leaves in a tree, after the next one it is what upstream has", () => inTree("kill -9", killAndCompare));

test("whatever a killed sync leaves in a bucket, after the next one it is what upstream has", () => inBucket("kill -9", killAndCompare));

test("of a large file that a killed sync wrote into a tree the rest alone comes", () => inTree("kill -9 in a large file", killAtCheckpoint));

test("of a large file that a killed sync wrote into a bucket the rest alone comes", () => inBucket("kill -9 in a large file", killAtCheckpoint));

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

test.run();
