/** The depot's notes: written before the store is touched, gone once the facts are recorded, left where either fails. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Depot } from "../../../src/actors/mirror/depot.ts";
import type { Work } from "../../../src/actors/mirror/depot.ts";
import { IntentLog } from "../../../src/actors/mirror/intent-log.ts";
import { SmallContents } from "../../../src/actors/mirror/small-contents.ts";
import { RainbowError } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import type { ObjectKind, ObjectMetadata } from "../../../src/objects/index.ts";
import { MemoryMirrorFiles } from "../../support/memory-mirror-files.ts";
import { MemoryObjects } from "../../support/memory-objects.ts";

const at = (path: string): ByteString => path as ByteString;
const stamp = { mtimeSeconds: 1, mtimeNanos: 0 };
const described = (kind: ObjectKind): ObjectMetadata => ({ kind, mode: 0o755, ...stamp, linkTarget: undefined, digest: undefined });

class World {
  readonly objects = new MemoryObjects();
  readonly files = new MemoryMirrorFiles();
  readonly depot: Depot;
  /** What was done, in order. */
  readonly done: string[] = [];

  constructor(isTree: boolean) {
    const store = Object.create(this.objects, { features: { value: { keepsVersions: false, isTree } } }) as MemoryObjects;
    this.depot = new Depot(store, this.files, new SmallContents(), new IntentLog(isTree, this.files.intents));
    const note = this.files.intents.note.bind(this.files.intents);
    this.files.intents.note = (groups) => {
      this.done.push(`note ${groups.flat().join(" ")}`);
      return note(groups);
    };
    this.objects.onCall = (name) => void this.done.push(name);
    this.files.onRecord = () => void this.done.push("record");
  }

  noted(): string[] {
    return [...this.files.intents.keys()].sort();
  }
}

const common = (path: string): Pick<Work & { kind: "put" }, "key" | "fact" | "forgetsSums" | "sums"> => ({
  key: at(path),
  fact: (place) => ({ type: "FileArrived", path: at(path), kind: "file", mode: 0, ...stamp, sizeBytes: 0, rdev: 0, digest: undefined, place }),
  forgetsSums: false,
  sums: undefined,
});
const put = (path: string, kind: ObjectKind = "file"): Work => ({
  ...common(path),
  kind: "put",
  object: { key: at(path), metadata: described(kind), bytes: Buffer.alloc(0) },
  ...(kind === "directory" ? { fact: () => undefined } : {}),
});
const describe = (path: string): Work => ({ ...common(path), kind: "attributes", metadata: described("directory") });
const remove = (path: string, kind: ObjectKind = "file"): Work => ({ kind: "remove", name: { key: at(path), kind } });

const test = suite("mirror: what the depot notes");

test("what is stored or removed is noted before, and over once its fact is recorded", async () => {
  const world = new World(false);
  const { depot, objects, done } = world;
  const upload = await objects.begin({ key: at("large"), metadata: described("file"), sizeBytes: 1 });
  const waiting = await objects.begin({ key: at(".rainbow-waiting/0"), metadata: described("file"), sizeBytes: 1 });
  done.length = 0;
  const complete = { kind: "complete", metadata: described("file"), check: undefined } as const;
  depot.add(put("a"));
  depot.add(put("d", "directory"));
  depot.add(remove("old"));
  depot.add(remove("folder", "directory"));
  depot.add({ ...common("large"), ...complete, upload });
  depot.add({ ...common(".rainbow-waiting/0"), ...complete, upload: waiting });
  depot.add({ ...common("copy"), kind: "copy", from: { key: at("a"), place: undefined }, metadata: described("file") });
  depot.add({ kind: "fact", fact: { type: "FileWithdrawn", path: at("x"), reason: "gone" } });
  await depot.flush();
  assert.equal(done, ["note a d/ old folder/ large copy", "delete", "delete", "put", "put", "complete", "complete", "settle", "record"]);
  assert.equal(world.noted(), []);
});

test("a directory of a tree is noted from the first change in it until it has its own time", async () => {
  const world = new World(true);
  const { depot, done } = world;
  for (const work of [put("d", "directory"), put("d/a"), put("d/sub", "directory"), put("b"), remove("e/gone")]) depot.add(work);
  await depot.flush();
  assert.is(done[0], "note d/a b e/gone d/ ./ d/sub/ e/");
  assert.equal(world.noted(), ["./", "d/", "d/sub/", "e/"]);
  for (const work of [describe("d/sub"), describe("d"), put("d/late")]) depot.add(work);
  await depot.flush();
  assert.equal(world.noted(), ["./", "d/", "d/", "d/sub/", "e/"], "of those noted together one is open still, and something changed in d again");
  for (const path of ["d", "e", "."]) depot.add(describe(path));
  await depot.flush();
  assert.equal(world.noted(), []);
});

test("the next batch is noted while one is being stored", async () => {
  const { depot, done } = new World(false);
  for (let i = 0; i < 3000; i++) depot.add(put(`${i}`));
  await depot.flush();
  const order = done.filter((each, i) => each !== done[i - 1]).map((each) => (each.startsWith("note") ? `note ${each.split(" ").length - 1}` : each));
  assert.equal(order, ["note 1024", "note 1024", "put", "note 952", "put", "settle", "record"]);
});

test("few small files wait for more, or for whoever waits for them", async () => {
  const { depot, done } = new World(false);
  for (let i = 0; i < 1000; i++) depot.add(put(`${i}`));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(done, []);
  await depot.salvage();
  assert.is(done.filter((each) => each === "put").length, 1000);
});

test("nothing is stored that could not be noted", async () => {
  const { depot, files, objects } = new World(false);
  files.intents.note = () => Promise.reject(new RainbowError("DISK_FULL", "no space is left"));
  depot.add(put("a"));
  const error = await depot.flush().catch((reason: unknown) => reason);
  assert.ok(error instanceof RainbowError && error.code === "DISK_FULL");
  await depot.salvage();
  assert.is(objects.objects.size, 0);
});

test("what could not be stored or recorded stays noted", async () => {
  const refused = new World(false);
  refused.objects.onCall = () => {
    throw new RainbowError("OBJECTS_UNREACHABLE", "the store is away");
  };
  refused.depot.add(put("a"));
  await refused.depot.flush().catch(() => undefined);
  await refused.depot.salvage();
  assert.equal(refused.noted(), ["a"]);
  const unrecorded = new World(false);
  unrecorded.files.failures = 1;
  unrecorded.depot.add(put("a"));
  await unrecorded.depot.flush().catch(() => undefined);
  await unrecorded.depot.salvage().catch(() => undefined);
  assert.equal(unrecorded.noted(), ["a"]);
});

test.run();
