/** Instants, paths, gaps, history and differences, on a small history with the real stores below. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError, MACHINE_NODE, nodeIdOf } from "../../../src/core/index.ts";
import type { Attributes, ByteString, Change, Epoch, GapReason, NodeId, NodeKind, Revision, TimeUs } from "../../../src/core/index.ts";
import { encodeEvent, MemoryEventStore } from "../../../src/events/index.ts";
import type { ReadOptions, StoredEvent } from "../../../src/events/index.ts";
import {
  activityOf,
  deletionsBelow,
  diffTrees,
  DigTreeProjection,
  gapsTouching,
  largestFolders,
  logOfPath,
  namedChunks,
  resolvePath,
} from "../../../src/projections/index.ts";
import type { View } from "../../../src/projections/index.ts";
import { ProjectedMachine, STREAM } from "../../support/projected-machine.ts";

const test = suite("answers of the projections");
const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1, mtimeNanos: 0, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
const NO_METADATA = { agentTimeUs: 0 as TimeUs, monotonicUs: 0, hostTimeUs: 0 as TimeUs, epoch: 0 as Epoch, sequence: 0, correlation: "" };
const named = (text: string): ByteString => text as ByteString;
const id = (n: number): NodeId => nodeIdOf(1 as Epoch, n);
const [DATA, A, B, SUB, OTHER] = [id(1), id(2), id(3), id(4), id(5)];

function created(node: NodeId, parent: NodeId, name: string, kind: NodeKind = "file"): Change {
  return { type: "NodeCreated", node, parent, name: named(name), kind, attributes: ATTRIBUTES, linkTarget: named(""), rdev: 0 };
}
const unlinked = (node: NodeId, parent: NodeId, name: string): Change => ({ type: "NodeUnlinked", node, parent, name: named(name) });
const renamed = (node: NodeId, fromParent: NodeId, from: string, toParent: NodeId, to: string, replaced = MACHINE_NODE): Change => ({
  type: "NodeRenamed",
  node,
  fromParent,
  fromName: named(from),
  toParent,
  toName: named(to),
  replaced,
});
const gapOpened = (gap: string, node: NodeId, fromUs: number, reason: GapReason = "overflow"): Change => ({
  type: "GapOpened",
  gap,
  scope: node === MACHINE_NODE ? { kind: "machine" } : { kind: "subtree", node },
  reason,
  fromUs: fromUs as TimeUs,
  detail: "",
});

class Machine {
  readonly inner: ProjectedMachine;
  private constructor(inner: ProjectedMachine) {
    this.inner = inner;
  }

  /** With `/data` protected. */
  static async make(store?: MemoryEventStore): Promise<Machine> {
    const machine = new Machine(await ProjectedMachine.make(undefined, store));
    await machine.inner.startEpoch();
    await machine.batch(created(DATA, MACHINE_NODE, "/data", "directory"));
    return machine;
  }

  async batch(...changes: Change[]): Promise<Revision> {
    return await this.inner.append(changes);
  }

  /** Writes new bytes to a file, from its start. */
  async write(node: NodeId, bytes: Buffer, ...more: Change[]): Promise<Revision> {
    const first = await this.inner.storeChunks([bytes]);
    const write: Change = { type: "ExtentsWritten", node, extents: [{ offset: 0, length: bytes.length, chunk: first, chunkOffset: 0 }] };
    return await this.inner.append([...more, write], { first, plains: [bytes] });
  }

  async at<T>(revision: Revision, ask: (view: View) => T): Promise<T> {
    const view = await this.inner.projection.viewAt(revision);
    try {
      return ask(view);
    } finally {
      view.close();
    }
  }
}

function refuses(work: () => unknown, code: Parameters<typeof isRainbowError>[1], message: RegExp): void {
  try {
    work();
  } catch (error) {
    assert.ok(isRainbowError(error, code!), `${(error as Error).message}`);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable("it should have been refused");
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test("a time means the last batch at or before it, and a time after the last catching up is known to be unknown", async () => {
  const machine = await Machine.make();
  const revisions: Revision[] = [];
  for (let i = 0; i < 20; i++) revisions.push(await machine.batch(created(id(10 + i), DATA, `f${i}`), created(id(50 + i), DATA, `g${i}`)));
  const { projection, agentTimeUs } = machine.inner;
  await machine.batch({ type: "CaughtUp", agentTimeUs: (agentTimeUs + 500) as TimeUs });
  for (let i = 0; i < 20; i++) {
    const timeUs = agentTimeUs - (19 - i) * 1000;
    for (const us of [timeUs, timeUs + 999]) assert.is((await projection.resolveTime(us as TimeUs)).revision, revisions[i]);
    assert.is(await projection.timeOf(revisions[i]!), timeUs);
  }
  assert.is((await projection.resolveTime((agentTimeUs + 1e9) as TimeUs)).knownUntilUs, agentTimeUs + 500);
  let refused: unknown;
  await projection.resolveTime(5 as TimeUs).catch((error: unknown) => (refused = error));
  assert.ok(isRainbowError(refused, "INSTANT_OUTSIDE"));
  await machine.inner.close();
});

test("a time that two stretches cover means the later one, and the answer names the other", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  const startUs = inner.agentTimeUs;
  const first: Revision[] = [];
  for (let i = 0; i < 10; i++) {
    inner.agentTimeUs = startUs + i * 60e6;
    first.push(await machine.batch(created(id(10 + i), DATA, `f${i}`)));
  }
  const second: Revision[] = [];
  for (let i = 0; i < 10; i++) {
    inner.agentTimeUs = startUs + (5 + i) * 60e6; // The clock was set back by four minutes.
    second.push(await machine.batch(created(id(30 + i), DATA, `g${i}`)));
  }
  const at = async (minutes: number): Promise<unknown> => {
    const { revision, others } = await inner.projection.resolveTime((startUs + minutes * 60e6 + 30e6) as TimeUs);
    return [revision, ...others];
  };
  assert.equal(await at(2), [first[2]]);
  assert.equal(await at(6), [second[1], first[6]]);
  assert.equal(await at(12), [second[7]]);
  await inner.close();
});

test("a revision within a batch means the batch end before it, and one that is not there yet is refused", async () => {
  const machine = await Machine.make();
  const before = await machine.batch(created(A, DATA, "a"));
  const after = await machine.batch(created(B, DATA, "b"), created(OTHER, DATA, "c"));
  assert.equal(await machine.at((after - 1) as Revision, (view) => [view.revision, [...view.list(DATA)].length]), [before, 1]);
  let refused: unknown;
  await machine.inner.projection.viewAt((after + 1) as Revision).catch((error: unknown) => (refused = error));
  assert.ok(isRainbowError(refused, "INSTANT_FUTURE"));
  await machine.inner.close();
});

test("paths resolve below the longest root that has them, and what is missing is named", async () => {
  const machine = await Machine.make();
  const revision = await machine.batch(
    created(SUB, DATA, "sub", "directory"),
    created(A, SUB, "a"),
    created(OTHER, MACHINE_NODE, "/data/sub/inner", "directory"),
  );
  await machine.at(revision, (view) => {
    assert.is(resolvePath(view, named("/data/sub//a/")).node, A);
    assert.is(resolvePath(view, named("/data/sub/inner")).node, OTHER);
    assert.equal(resolvePath(view, named("/data")).rootPath, "/data");
    refuses(() => resolvePath(view, named("/data/sub/b")), "NOT_FOUND", /'\/data\/sub' has no 'b'/);
    refuses(() => resolvePath(view, named("/data/sub/a/b")), "NOT_FOUND", /'\/data\/sub\/a' is a file/);
    refuses(() => resolvePath(view, named("/database")), "NOT_PROTECTED", /protected were '\/data'/);
    refuses(() => resolvePath(view, named("data")), "USAGE", /no absolute path/);
  });
  await machine.inner.close();
});

test("a gap touches what lies in it and above it, from the time it reaches back to until it is closed", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  const early = await machine.batch(created(SUB, DATA, "sub", "directory"), created(A, SUB, "a"), created(B, DATA, "b"));
  const lostUs = inner.agentTimeUs;
  const unseen = await machine.batch(created(OTHER, DATA, "other"));
  const opened = await machine.batch(gapOpened("e1-1", SUB, lostUs + 1));
  const closed = await machine.batch({ type: "GapClosed", gap: "e1-1" });
  const touching = (revision: Revision, node: NodeId): Promise<string[]> => machine.at(revision, (view) => gapsTouching(view, node).map(({ gap }) => gap));
  for (const revision of [unseen, opened]) {
    assert.equal(await touching(revision, A), ["e1-1"], `r${revision}`);
    assert.equal(await touching(revision, DATA), ["e1-1"]);
    assert.equal(await touching(revision, B), []);
  }
  assert.equal([await touching(early, A), await touching(closed, A)], [[], []]);
  assert.equal(inner.projection.facts().openGaps, []);
  await inner.close();
});

test("the log goes on behind a new file that took the name over, with all that was written to the one before", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.write(A, Buffer.alloc(5000, 1), created(A, DATA, "plan"));
  await machine.write(A, Buffer.alloc(100, 2));
  const saved = await machine.write(B, Buffer.alloc(70, 3), created(B, DATA, "plan"));
  const versions = await collected(logOfPath(inner.projection, named("/data/plan"), saved));
  assert.equal(
    versions.map(({ node, sizeBytes, changes }) => [node, sizeBytes, changes.join(", ")]),
    [
      [B, 70, "replaced, written 70 bytes"],
      [A, 5000, "written 100 bytes"],
      [A, 5000, "created, written 4.9 KiB"],
    ],
  );
  await inner.close();
});

test("a name that goes is a deletion although the file keeps another name, and is told by the name that went", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.batch(created(A, DATA, "first"), { type: "NodeLinked", node: A, parent: DATA, name: named("second") });
  const gone = await machine.batch(unlinked(A, DATA, "second"));
  const deletions = await collected(deletionsBelow(inner.projection, named(""), gone));
  assert.equal(
    deletions.map(({ path }) => path),
    ["/data/second"],
  );
  await inner.close();
});

test("the log of a file goes back through renames, and through files whose name was taken over", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.write(A, Buffer.alloc(5000, 1), created(A, DATA, "draft"));
  await machine.batch(renamed(A, DATA, "draft", DATA, "paper"));
  await machine.write(A, Buffer.alloc(100, 2));
  await inner.projection.buildTree();
  await machine.batch({ type: "AttributesSet", node: A, attributes: { ...ATTRIBUTES, mode: 0o600 }, linkTarget: named("") });
  await machine.write(B, Buffer.alloc(70, 3), created(B, DATA, "paper.tmp"));
  await machine.batch(renamed(B, DATA, "paper.tmp", DATA, "paper", A));
  const gone = await machine.batch(unlinked(B, DATA, "paper"));
  const versions = await collected(logOfPath(inner.projection, named("/data/paper"), gone));
  assert.equal(
    versions.map(({ path, sizeBytes, changes, deleted }) => [path, sizeBytes, changes.join(", "), deleted]),
    [
      ["/data/paper", 70, "deleted", true],
      ["/data/paper", 70, "replaced, renamed from 'paper.tmp'", false],
      ["/data/paper", 5000, "mode 0644 -> 0600", false],
      ["/data/paper", 5000, "written 100 bytes", false],
      ["/data/paper", 5000, "renamed from 'draft'", false],
      ["/data/draft", 5000, "created, written 4.9 KiB", false],
    ],
  );
  await inner.close();
});

test("deletions come newest first, a directory with what it held as one, and lead back to what was there", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.batch(created(SUB, DATA, "sub", "directory"), created(A, SUB, "a"), created(B, DATA, "b"), created(OTHER, DATA, "old"));
  await machine.batch(unlinked(B, DATA, "b"));
  await inner.projection.buildTree();
  const before = await machine.batch(renamed(OTHER, DATA, "old", SUB, "new"));
  const last = await machine.batch(unlinked(A, SUB, "a"), unlinked(OTHER, SUB, "new"), unlinked(SUB, DATA, "sub"));
  const deletions = await collected(deletionsBelow(inner.projection, named("/data"), last));
  assert.equal(
    deletions.map(({ path, kind, revision }) => [path, kind, revision]),
    [
      ["/data/sub", "directory", last],
      ["/data/b", "file", deletions[1]!.revision],
    ],
  );
  assert.is(deletions[0]!.lastRevision, before);
  assert.equal(await machine.at(before, (view) => [...view.list(SUB)].map(({ name }) => name)), ["a", "new"]);
  assert.equal(await collected(deletionsBelow(inner.projection, named("/data/su"), last)), []);
  await inner.close();
});

test("differences name what came, went, changed, moved and became something else", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  const plain = Buffer.alloc(5000, 1);
  const files = ["changed", "gone", "kind", "moved", "same", "touched"].map((name, i) => created(id(20 + i), DATA, name));
  await machine.batch(created(SUB, DATA, "sub", "directory"), created(A, SUB, "inside"), ...files);
  await machine.write(id(20), plain);
  const before = await machine.write(id(24), plain);
  await machine.write(id(20), Buffer.alloc(5000, 9));
  await machine.write(id(24), plain); // The same bytes again, in another chunk.
  const touched: Change = { type: "AttributesSet", node: id(25), attributes: { ...ATTRIBUTES, uid: 7 }, linkTarget: named("") };
  const moved = [renamed(id(23), DATA, "moved", SUB, "here"), renamed(SUB, DATA, "sub", DATA, "zone")];
  const kind = [unlinked(id(22), DATA, "kind"), created(OTHER, DATA, "kind", "directory")];
  const after = await machine.batch(unlinked(id(21), DATA, "gone"), created(B, DATA, "added"), touched, ...moved, ...kind);
  const [viewA, viewB] = [await inner.projection.viewAt(before), await inner.projection.viewAt(after)];
  assert.equal(
    [...diffTrees(viewA, DATA, viewB, DATA)].map(({ what, path, fromPath }) => (fromPath === undefined ? `${what} ${path}` : `${what} ${fromPath} -> ${path}`)),
    ["added added", "changed changed", "removed gone", "kind kind", "metadata touched", "renamed sub -> zone", "renamed moved -> zone/here"],
  );
  viewA.close();
  viewB.close();
  await inner.close();
});

test("the largest folders are those where the bytes are, not every folder above them", async () => {
  const machine = await Machine.make();
  await machine.batch(created(SUB, DATA, "sub", "directory"), created(A, SUB, "a"), created(B, DATA, "b"));
  await machine.write(A, Buffer.alloc(50_000, 1));
  const last = await machine.write(B, Buffer.alloc(100, 1));
  const view = await machine.inner.projection.viewAt(last);
  assert.equal(
    (await largestFolders(view, DATA, named("/data"))).map(({ path, sizeBytes, fileCount }) => [path, sizeBytes, fileCount]),
    [["/data/sub", 50_000, 1]],
  );
  view.close();
  await machine.inner.close();
});

test("a stream that lost its end, or another one, makes the trees worthless, and they are made again", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.write(A, Buffer.alloc(100, 1), created(A, DATA, "a"));
  await inner.projection.projected((await inner.store.info(STREAM)).headRevision);
  await inner.projection.buildTree();
  assert.ok(inner.dig.trees.list().length > 0);
  await inner.close();
  const other = await ProjectedMachine.make(undefined, inner.store);
  assert.is(other.dig.trees.list().length, 0);
  await other.projection.catchUp();
  const view = other.projection.viewNow();
  assert.equal(
    [...view.list(DATA)].map(({ name }) => name),
    ["a"],
  );
  view.close();
  await other.close();
});

test("catching up tells how many of the missing events are in", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  for (let i = 0; i < 50; i++) await machine.batch(created(id(100 + i), DATA, `f${i}`));
  const { headRevision } = await inner.store.info(STREAM);
  let us = 0;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const clock = { now: () => 0 as TimeUs, monotonicUs: () => (us += 20_000), sleep: turn };
  const fresh = await DigTreeProjection.open({ store: inner.store, stream: STREAM, dig: inner.dig, clock });
  const told: number[][] = [];
  await fresh.catchUp((...counts) => told.push(counts));
  assert.ok(told.length > 1, "told more than once");
  assert.ok(
    told.every(([done = 0, all]) => done > 0 && done <= headRevision + 1 && all === headRevision + 1),
    JSON.stringify(told),
  );
  await inner.close();
});

test("a machine with snapshots, policy and roots has them at every instant and after it is opened again", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  const revision = await machine.batch(created(A, DATA, "a"));
  const takenUs = inner.clock.now();
  const takenAt = await inner.appendOwn([{ type: "SnapshotTaken", name: "before", revision, atUs: 5 as TimeUs, pinned: true }]);
  await inner.appendOwn([{ type: "SnapshotTaken", name: "gone", revision, atUs: 6 as TimeUs, pinned: false }]);
  await inner.appendOwn([{ type: "SnapshotDropped", name: "gone" }]);
  await inner.close();
  await inner.open();
  assert.equal(inner.projection.snapshots(), [{ name: "before", revision, atUs: 5, pinned: true, takenUs, takenAt }]);
  assert.equal((await inner.projection.verifyReplay()).differences, []);
  await inner.close();
});

test("the chunks that events and trees name are found, and those that were only announced", async () => {
  const machine = await Machine.make();
  const { inner } = machine;
  await machine.write(A, Buffer.alloc(100, 1), created(A, DATA, "a"));
  const first = await inner.storeChunks([Buffer.alloc(9, 9)]);
  await inner.append([created(B, DATA, "b")], { first, plains: [Buffer.alloc(9, 9)] });
  await inner.projection.catchUp();
  await inner.projection.buildTree();
  const { named: chunks, stored } = await namedChunks(inner.store, STREAM, inner.dig.trees);
  assert.equal([[...chunks], [...stored]], [[1], [1, 2]]);
  await inner.close();
});

test("a replay beside the live projection finds what the events do not say, now and at an instant before", async () => {
  class Changed extends MemoryEventStore {
    wrong: Revision | undefined;
    override async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
      const page = await super.read(stream, options);
      const size = encodeEvent({ type: "SizeSet", node: A, sizeBytes: 77 }, { ...NO_METADATA, index: 0 });
      return page.map((event) => (event.revision === this.wrong ? { ...event, data: size.data } : event));
    }
  }
  const store = new Changed();
  const machine = await Machine.make(store);
  await machine.batch(created(A, DATA, "a"));
  const early = await machine.batch({ type: "SizeSet", node: A, sizeBytes: 5 });
  await machine.inner.projection.projected(early);
  await machine.inner.projection.buildTree();
  const late = await machine.batch(created(B, DATA, "b"));
  const { projection } = machine.inner;
  await projection.projected(late);
  for (const to of [early, late]) assert.equal((await projection.verifyReplay({ to })).differences, []);
  const digests = [await projection.verifyReplay({ to: early }), await projection.verifyReplay()].map(({ digest }) => digest);
  assert.is(new Set(digests).size, 2);
  store.wrong = early;
  for (const options of [{ to: early }, {}]) {
    const { differences, digest } = await projection.verifyReplay(options);
    assert.equal(
      differences.map(({ what }) => what),
      [`node ${A}`],
    );
    assert.not.ok(digests.includes(digest));
  }
  store.wrong = undefined;
  const stopped = await projection.verifyReplay({ signal: AbortSignal.abort() });
  assert.equal([stopped.isInterrupted, stopped.differences], [true, []]);
});

test("activity tells of all files below a folder and of the machine's facts, newest first, whatever fits into memory at once", async () => {
  const machine = await Machine.make();
  await machine.batch(created(SUB, DATA, "sub", "directory"), created(A, SUB, "a"), created(B, DATA, "b"));
  await machine.write(A, Buffer.from("content"));
  await machine.inner.appendOwn([{ type: "PolicySet", policy: {} }]);
  await machine.batch(renamed(A, SUB, "a", SUB, "c"), unlinked(B, DATA, "b"));
  const many = Array.from({ length: 300 }, (_, i) => i);
  for (const i of many) await machine.batch(...Array.from({ length: 50 }, (__, k) => created(id(1000 + i * 50 + k), SUB, `n${i}-${k}`)));
  await machine.inner.projection.buildTree();
  await machine.batch(unlinked(A, SUB, "c"));
  const { projection } = machine.inner;
  const { head } = await projection.span();
  const told = async (isWanted: ((path: ByteString) => boolean) | undefined, after = -1): Promise<string[]> => {
    const source = await projection.historySource(head);
    try {
      const wanted = { after: after as Revision, facts: new Set(["PolicySet", "EpochStarted"] as const), ...(isWanted === undefined ? {} : { isWanted }) };
      const items = await collected(activityOf(source, wanted));
      return items.flatMap((item) => (item.type === "file" ? [`${item.path} ${item.changes.join(", ")}`] : item.type === "fact" ? [item.event.type] : []));
    } finally {
      source.hold.release();
    }
  };
  const below = await told((path) => path.startsWith("/data/sub"));
  assert.is(below.length, 1 + 15_000 + 6, "more than is held at once, and each once");
  assert.is(new Set(below).size, below.length);
  assert.equal([below[0], below[1], below[15_000]], ["/data/sub/c deleted", "/data/sub/n299-49 created", "/data/sub/n0-0 created"]);
  assert.equal(below.slice(-6), [
    "/data/sub/c renamed from 'a'",
    "PolicySet",
    "/data/sub/a written 7 bytes, grown from 0 bytes to 7 bytes",
    "/data/sub/a created",
    "/data/sub created",
    "EpochStarted",
  ]);
  const atTop = await told((path) => path === "/data/b");
  assert.equal(
    atTop.filter((text) => text.startsWith("/")),
    ["/data/b deleted", "/data/b created"],
  );
  assert.equal(await told(undefined), ["PolicySet", "EpochStarted"], "facts alone are found without the files");
  assert.equal(await told((path) => path.startsWith("/data"), head - 1), ["/data/sub/c deleted"]);
});

test.run();
