/** Whether a view answers what the naive machine says of that instant. Throws where it does not, naming the path. */
import * as assert from "uvu/assert";
import { isRainbowError, MACHINE_NODE } from "../../src/core/index.ts";
import type { ByteString, Extent, NodeId } from "../../src/core/index.ts";
import type { View } from "../../src/projections/index.ts";
import { GRANULE_BYTES, nameOfKey } from "./naive-machine.ts";
import type { Granule, NaiveInstant, NaiveNode } from "./naive-machine.ts";

/** Plain bytes of a chunk, to compare reads with; absent: extents alone are compared. */
export type PlainOf = (chunk: number) => Buffer;

/** Whether the file's content was purged from the instant. */
export type IsPurged = (node: NodeId) => boolean;

export interface Comparing {
  /** Default: nothing is. */
  readonly isPurged?: IsPurged;
  /** The naive machine has the host's chunk numbers (default); else it names contents, and bytes alone are compared. */
  readonly knowsChunks?: boolean;
}

export function compareWithNaive(view: View, instant: NaiveInstant, plainOf?: PlainOf, { isPurged = () => false, knowsChunks = true }: Comparing = {}): void {
  const children = Map.groupBy(
    [...instant.names].map(([key, node]) => ({ ...nameOfKey(key), node })),
    (entry) => entry.parent,
  );
  const queue: { readonly node: NodeId; readonly path: string }[] = [{ node: MACHINE_NODE, path: "" }];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const expected = (children.get(at.node) ?? []).filter(({ node }) => !instant.nodes.get(node)!.hidden);
    expected.sort((a, b) => (a.name < b.name ? -1 : 1));
    const listed = [...view.list(at.node)];
    assert.equal(
      listed.map((entry) => [entry.name, entry.node, entry.kind]),
      expected.map(({ name, node }) => [name, node, instant.nodes.get(node)!.kind]),
      `listing of '${at.path}' at r${view.revision}`,
    );
    for (const entry of listed) {
      const path = `${at.path}/${entry.name}`;
      assert.equal(view.lookup(at.node, entry.name), entry, `lookup of '${path}'`);
      compareNode({ view, instant, plainOf, isPurged, knowsChunks }, instant.nodes.get(entry.node)!, path);
      if (entry.kind === "directory") queue.push({ node: entry.node, path });
    }
  }
  assert.is(view.lookup(MACHINE_NODE, "is not there" as ByteString), undefined);
}

interface Comparison extends Required<Comparing> {
  readonly view: View;
  readonly instant: NaiveInstant;
  readonly plainOf: PlainOf | undefined;
}

function compareNode({ view, instant, plainOf, isPurged, knowsChunks }: Comparison, expected: NaiveNode, path: string): void {
  const record = view.node(expected.node);
  assert.ok(record, `node of '${path}' at r${view.revision}`);
  const names = [...instant.names].filter(([, node]) => node === expected.node).map(([key]) => nameOfKey(key));
  const order = (a: { parent: number; name: string }, b: { parent: number; name: string }): number => a.parent - b.parent || (a.name < b.name ? -1 : 1);
  assert.equal([...record.names].sort(order), names.sort(order), `names of '${path}'`);
  assert.equal(
    [record.attributes, record.kind, record.linkTarget, record.unsettled, record.hidden],
    [expected.attributes, expected.kind, expected.linkTarget, expected.unsettled, expected.hidden],
    `node of '${path}' at r${view.revision}`,
  );
  const sizeBytes = expected.kind === "symlink" ? expected.linkTarget.length : expected.granules.length * GRANULE_BYTES;
  assert.is(record.sizeBytes, sizeBytes, `size of '${path}' at r${view.revision}`);
  if (expected.kind !== "file") return;
  if (knowsChunks) assert.equal(joined(view.extents(expected.node, 0, sizeBytes)), extentsOf(expected.granules), `extents of '${path}' at r${view.revision}`);
  assert.is(view.purged(expected.node) !== undefined, isPurged(expected.node), `purge of '${path}' at r${view.revision}`);
  if (isPurged(expected.node))
    return assert.throws(
      () => view.read(expected.node, 0, 1),
      (error: unknown) => isRainbowError(error, "PURGED"),
    );
  if (plainOf === undefined) return;
  const bytes = view.read(expected.node, 0, sizeBytes + 1);
  assert.ok(bytes.equals(bytesOfGranules(expected.granules, plainOf)), `bytes of '${path}' at r${view.revision}`);
}

/** Neighbours that go on in the same chunk as one. */
function joined(extents: readonly Extent[]): number[][] {
  const runs: number[][] = [];
  for (const { offset, length, chunk, chunkOffset } of extents) {
    const last = runs.at(-1);
    if (last !== undefined && last[0]! + last[1]! === offset && last[2] === chunk && last[3]! + last[1]! === chunkOffset) last[1]! += length;
    else runs.push([offset, length, chunk, chunkOffset]);
  }
  return runs;
}

function extentsOf(granules: readonly Granule[]): number[][] {
  const single = granules.flatMap((granule, i) =>
    granule === 0
      ? []
      : [{ offset: i * GRANULE_BYTES, length: GRANULE_BYTES, chunk: Math.floor(granule / 32), chunkOffset: (granule % 32) * GRANULE_BYTES } as Extent],
  );
  return joined(single);
}

function bytesOfGranules(granules: readonly Granule[], plainOf: PlainOf): Buffer {
  const bytes = Buffer.alloc(granules.length * GRANULE_BYTES);
  granules.forEach((granule, i) => {
    const from = (granule % 32) * GRANULE_BYTES;
    if (granule !== 0) plainOf(Math.floor(granule / 32)).copy(bytes, i * GRANULE_BYTES, from, from + GRANULE_BYTES);
  });
  return bytes;
}
