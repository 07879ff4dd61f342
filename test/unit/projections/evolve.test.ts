/** Given events, then state: the rules that a reader of the events must know, one by one. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MACHINE_NODE, nodeIdOf } from "../../../src/core/index.ts";
import type { Attributes, ByteString, ChunkNumber, Epoch, NodeId, NodeKind, Revision, TimeUs } from "../../../src/core/index.ts";
import type { MachineEvent } from "../../../src/events/index.ts";
import { ChunkCounts } from "../../../src/projections/dig-tree/chunk-counts.ts";
import { settledExtents } from "../../../src/projections/dig-tree/content.ts";
import { evolve, State } from "../../../src/projections/dig-tree/internal.ts";

const test = suite("the fold of a machine's events");
const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1, mtimeNanos: 0, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
const id = (n: number): NodeId => nodeIdOf(1 as Epoch, n);
const named = (text: string): ByteString => text as ByteString;

/** A state to which batches are given one after the other. */
class Given {
  readonly counts = new ChunkCounts(() => 0);
  readonly state = new State({ counts: this.counts });
  private revision = -1;

  batch(...events: MachineEvent[]): this {
    events.forEach((event, index) => {
      this.revision += 1;
      const batchEnd = index === events.length - 1 ? { batchEnd: { count: events.length, previousHash: Buffer.alloc(32) } } : {};
      const times = { agentTimeUs: (1e12 + this.revision) as TimeUs, monotonicUs: 0, hostTimeUs: 0 as TimeUs };
      evolve(this.state, {
        event,
        revision: this.revision as Revision,
        metadata: { ...times, epoch: 1 as Epoch, sequence: 1, index, correlation: "", ...batchEnd },
      });
    });
    return this;
  }

  names(parent: NodeId): string[] {
    return [...this.state.names(parent)].map(({ name, value }) => (value.hidden ? `(${name})` : name));
  }

  extents(node: NodeId): number[][] {
    return settledExtents(this.state, this.state.node(node)!, 0, 1e9).map(({ offset, length, chunk, chunkOffset }) => [offset, length, chunk, chunkOffset]);
  }
}

function created(node: NodeId, parent: NodeId, name: string, kind: NodeKind = "file"): MachineEvent {
  return { type: "NodeCreated", node, parent, name: named(name), kind, attributes: ATTRIBUTES, linkTarget: named(""), rdev: 0 };
}
const written = (node: NodeId, offset: number, length: number, chunk: number): MachineEvent => ({
  type: "ExtentsWritten",
  node,
  extents: [{ offset, length, chunk: chunk as ChunkNumber, chunkOffset: 0 }],
});
const unlinked = (node: NodeId, parent: NodeId, name: string): MachineEvent => ({ type: "NodeUnlinked", node, parent, name: named(name) });
const renamed = (node: NodeId, fromParent: NodeId, fromName: string, toParent: NodeId, toName: string): MachineEvent => ({
  type: "NodeRenamed",
  node,
  fromParent,
  fromName: named(fromName),
  toParent,
  toName: named(toName),
  replaced: MACHINE_NODE,
});
const settled = (node: NodeId, unsettled = false): MachineEvent => ({ type: "VersionSettled", node, unsettled });

const [ROOT, A, B, C] = [id(1), id(2), id(3), id(4)];
const given = (): Given => new Given().batch(created(ROOT, MACHINE_NODE, "/data", "directory"));

test("a name that exists is taken over, and what it named dies with its last name", () => {
  const { state } = given().batch(created(A, ROOT, "x"), created(B, ROOT, "x"));
  assert.is(state.name(ROOT, named("x"))?.node, B);
  assert.is(state.node(A), undefined);
});

test("a node with another name lives on when one goes", () => {
  const it = given().batch(created(A, ROOT, "x"), { type: "NodeLinked", node: A, parent: ROOT, name: named("y") }, unlinked(A, ROOT, "x"));
  assert.equal(it.names(ROOT), ["y"]);
  assert.equal(it.state.node(A)?.names, [{ parent: ROOT, name: "y" }]);
});

test("a directory takes its descendants along, but not what has a name elsewhere", () => {
  const it = given().batch(created(A, ROOT, "d", "directory"), created(B, A, "e", "directory"), created(C, B, "f"), created(id(5), B, "g"));
  it.batch({ type: "NodeLinked", node: C, parent: ROOT, name: named("kept") }, unlinked(A, ROOT, "d"));
  assert.equal(it.names(ROOT), ["kept"]);
  assert.equal(
    [A, B, id(5)].map((node) => it.state.node(node)),
    [undefined, undefined, undefined],
  );
  assert.equal(it.state.node(C)?.names, [{ parent: ROOT, name: "kept" }]);
});

test("a tree ten thousand directories deep goes without a deep stack", () => {
  const it = given().batch(...Array.from({ length: 10_000 }, (_, i) => created(id(10 + i), i === 0 ? ROOT : id(9 + i), "d", "directory")));
  it.batch(unlinked(id(10), ROOT, "d"));
  assert.is(it.state.node(id(10_009)), undefined);
});

test("a directory does not move into itself, and a name is not moved from where it is not", () => {
  const it = given().batch(created(A, ROOT, "d", "directory"), created(B, A, "e", "directory"));
  it.batch(renamed(A, ROOT, "d", B, "loop"), renamed(B, ROOT, "e", ROOT, "stolen"));
  assert.equal(it.names(ROOT), ["d"]);
  assert.is(it.state.ignoredCount, 2);
});

test("facts about unknown nodes are passed over and counted", () => {
  const it = given().batch(written(A, 0, 10, 1), unlinked(A, ROOT, "x"), created(B, C, "x"), settled(A), { type: "GapClosed", gap: "e1-1" });
  assert.is(it.state.ignoredCount, 5);
  assert.equal(it.names(ROOT), []);
});

test("writes split and cover what was there, and the size only grows", () => {
  const it = given().batch(created(A, ROOT, "x"), written(A, 0, 10_000, 1), written(A, 2000, 3000, 2), written(A, 20_000, 5, 3));
  assert.equal(it.extents(A), [
    [0, 2000, 1, 0],
    [2000, 3000, 2, 0],
    [5000, 5000, 1, 5000],
    [20_000, 5, 3, 0],
  ]);
  assert.is(it.state.node(A)?.sizeBytes, 20_005);
});

test("an extent over the border of two regions lies in both", () => {
  const border = 1 << 20;
  const it = given().batch(created(A, ROOT, "x"), written(A, border - 100, 300, 7));
  assert.equal(it.extents(A), [
    [border - 100, 100, 7, 0],
    [border, 200, 7, 100],
  ]);
});

test("what is cut off reads as zeros when the file grows again", () => {
  const size = (sizeBytes: number): MachineEvent => ({ type: "SizeSet", node: A, sizeBytes });
  const it = given().batch(created(A, ROOT, "x"), written(A, 0, 3_000_000, 1), size(1_500_000), size(3_000_000));
  assert.is(it.state.node(A)?.sizeBytes, 3_000_000);
  assert.equal(it.extents(A).at(-1), [1_048_576, 451_424, 1, 1_048_576]);
});

test("a zeroed range of a petabyte costs what is there", () => {
  const it = given().batch(created(A, ROOT, "x"), written(A, 0, 100, 1), { type: "RangeZeroed", node: A, offset: 50, length: 2 ** 50 });
  assert.is(it.state.node(A)?.sizeBytes, 50 + 2 ** 50);
  assert.equal(settledExtents(it.state, it.state.node(A)!, 0, 1000).length, 1);
});

test("a clone names the chunks of its source, which stay when the source goes", () => {
  const it = given().batch(created(A, ROOT, "x"), written(A, 0, 8192, 1), created(B, ROOT, "y"));
  it.batch({ type: "RangeCloned", fromNode: A, fromOffset: 4096, node: B, offset: 0, length: 8192 }, unlinked(A, ROOT, "x"));
  assert.equal(it.extents(B), [[0, 4096, 1, 4096]]);
  assert.is(it.state.node(B)?.sizeBytes, 8192);
  assert.is(it.counts.live(1), 1);
});

test("while a pass is under way the file is what it was; settling shows the new version whole", () => {
  const it = given()
    .batch(created(A, ROOT, "x"), written(A, 0, 100, 1))
    .batch({ type: "PassStarted", node: A }, written(A, 0, 200, 2));
  assert.equal(it.extents(A), [[0, 100, 1, 0]]);
  assert.is(it.state.node(A)?.sizeBytes, 100);
  it.batch({ type: "SizeSet", node: A, sizeBytes: 150 }, settled(A, true));
  assert.equal(it.extents(A), [[0, 150, 2, 0]]);
  assert.equal([it.state.node(A)?.sizeBytes, it.state.node(A)?.unsettled, it.counts.live(1), it.counts.live(2)], [150, true, 0, 1]);
});

test("what a pass wrote beyond a size that then shrank leaves nothing behind for a later pass", () => {
  const MIB = 1 << 20;
  const it = given()
    .batch(created(A, ROOT, "x"), written(A, 0, 100, 1))
    .batch({ type: "PassStarted", node: A }, written(A, MIB, 100, 2), { type: "SizeSet", node: A, sizeBytes: 100 }, settled(A))
    .batch(written(A, MIB, 100, 3))
    .batch({ type: "PassStarted", node: A }, settled(A));
  assert.equal(it.extents(A), [
    [0, 100, 1, 0],
    [MIB, 100, 3, 0],
  ]);
});

test("a new file is hidden until its first pass is settled", () => {
  const it = given()
    .batch(created(A, ROOT, "x"))
    .batch({ type: "PassStarted", node: A }, written(A, 0, 100, 1));
  assert.equal([it.names(ROOT), it.state.node(A)?.hidden], [["(x)"], true]);
  it.batch(settled(A));
  assert.equal([it.names(ROOT), it.state.node(A)?.hidden], [["x"], false]);
});

test("what was staged outlives the session, whose agent goes on with it in the next one", () => {
  const it = given()
    .batch(created(A, ROOT, "x"), written(A, 0, 100, 1))
    .batch({ type: "PassStarted", node: A }, written(A, 0, 100, 2));
  assert.is(it.counts.live(2), 1);
  it.batch({ type: "EpochStarted", epoch: 2 as Epoch }).batch(settled(A));
  assert.equal([it.extents(A), it.counts.live(1), it.counts.live(2)], [[[0, 100, 2, 0]], 0, 1]);
});

test("a chunk dies at the batch end at which its last reference went, and lives again when it is named again", () => {
  const it = given().batch(created(A, ROOT, "x"), { type: "ChunksStored", first: 1 as ChunkNumber, chunks: [{ hash: Buffer.alloc(32), lengthBytes: 9 }] });
  assert.equal([...it.counts.changes()], [{ chunk: 1, delta: 0, deathRevision: 2 }]);
  it.batch(written(A, 0, 100, 1));
  assert.equal([...it.counts.changes()], [{ chunk: 1, delta: 1 }]);
  it.batch(written(A, 0, 100, 2), written(A, 0, 100, 1), written(A, 0, 100, 2));
  assert.equal(
    [...it.counts.changes()],
    [
      { chunk: 1, delta: 0, deathRevision: 6 },
      { chunk: 2, delta: 1 },
    ],
  );
  assert.is(it.state.times.nextChunk, 2);
});

test("a root that is released goes with all it holds; its history stays in the events", () => {
  const options = { crossMounts: false, rules: [], fileBytesMax: 0 };
  const root = { root: A, path: named("/x"), filesystemUuid: "u", inode: 2, btimeSeconds: 0, btimeNanos: 0, options };
  const it = new Given().batch({ type: "RootProtected", ...root }, created(A, MACHINE_NODE, "/x", "directory"), created(B, A, "f"));
  assert.equal(it.names(MACHINE_NODE), ["/x"]);
  it.batch({ type: "RootReleased", root: A });
  assert.equal([it.names(MACHINE_NODE), it.state.node(B)], [[], undefined]);
});

test.run();
