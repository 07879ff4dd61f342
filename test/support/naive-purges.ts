/**
 * Purges as plainly as they can be written: which files a path ever had is looked up in whole copies of every instant, and what they alone
 * name is found by asking every kept instant and every write.
 */
import * as assert from "uvu/assert";
import { MACHINE_NODE } from "../../src/core/index.ts";
import type { ByteString, ExtentsWritten, NodeId, Revision } from "../../src/core/index.ts";
import type { PathPurged } from "../../src/events/index.ts";
import { nameOfKey } from "./naive-machine.ts";
import type { NaiveInstant } from "./naive-machine.ts";

export interface PathOfFile {
  readonly path: ByteString;
  readonly node: NodeId;
}

/** Every name of every file and folder, as a path; names that hold a slash themselves, and what lies below them, only `withOdd`. */
export function pathsOf({ names, nodes }: NaiveInstant, withOdd = false): PathOfFile[] {
  const children = Map.groupBy(
    [...names].map(([key, node]) => ({ ...nameOfKey(key), node })),
    (entry) => entry.parent,
  );
  const found: PathOfFile[] = [];
  const queue: { readonly node: NodeId; readonly path: string }[] = [{ node: MACHINE_NODE, path: "" }];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const { name, node } of children.get(at.node) ?? []) {
      if (!withOdd && name.includes("/")) continue;
      const path = (at.path === "" ? name : `${at.path}/${name}`) as ByteString;
      found.push({ path, node });
      if (nodes.get(node)!.kind === "directory") queue.push({ node, path });
    }
  }
  return found;
}

function filesAt(instant: NaiveInstant, path: ByteString, withOdd = false): NodeId[] {
  const below = pathsOf(instant, withOdd).filter((each) => each.path === path || each.path.startsWith(`${path}/`));
  return below.map(({ node }) => node).filter((node) => instant.nodes.get(node)!.kind === "file");
}

export class NaivePurges {
  private readonly purges: { readonly revision: Revision; readonly nodes: ReadonlySet<NodeId> }[] = [];
  private readonly writes: { readonly revision: Revision; readonly node: NodeId; readonly chunks: readonly number[] }[] = [];
  private readonly expected = new Map<string, { readonly window: Revision; readonly head: Revision }>();

  /** A purge of `path` begins; what the instants from `window` to `head` have there will be in it. */
  expect({ path, window, head }: { readonly path: ByteString; readonly window: Revision; readonly head: Revision }): void {
    this.expected.set(path, { window, head });
  }

  wrote(revision: Revision, { node, extents }: ExtentsWritten): void {
    this.writes.push({ revision, node, chunks: extents.map(({ chunk }) => chunk) });
  }

  purged(revision: Revision, { path, nodes }: PathPurged, instants: ReadonlyMap<Revision, NaiveInstant>): void {
    const purged = new Set<NodeId>();
    for (let i = 0, end = 0; i < nodes.length; i += 2) {
      const start = end + nodes[i]!;
      end = start + nodes[i + 1]!;
      for (let node = start; node < end; node++) purged.add(node as NodeId);
    }
    const { window, head } = this.expected.get(path)!;
    const ever = new Set<NodeId>();
    for (const [at, instant] of instants) {
      for (const node of filesAt(instant, path, true)) ever.add(node);
      if (at < window || at > head) continue;
      for (const node of filesAt(instant, path)) assert.ok(purged.has(node), `node ${node} lay at '${path}' at r${at} and is not purged`);
    }
    for (const node of purged) assert.ok(ever.has(node), `node ${node} never lay at '${path}' and is purged`);
    this.purges.push({ revision, nodes: purged });
  }

  /** `known`: how far the projection is, which the answers come from. */
  isPurged(node: NodeId, instant: Revision, known = Number.POSITIVE_INFINITY): boolean {
    return this.purges.some(({ revision, nodes }) => instant < revision && revision <= known && nodes.has(node));
  }

  /**
   * Chunks that purged files alone ever had. What a purge spared for another file's sake, or as a file's present, goes like anything else
   * later: with the window, and with the snapshots between.
   */
  chunksOfPurgedAlone(instants: ReadonlyMap<Revision, NaiveInstant>): Set<number> {
    const { purged, others } = this.chunksByPurge(instants);
    for (const { revision, node, chunks } of this.writes) if (!this.isPurged(node, revision)) for (const chunk of chunks) others.add(chunk);
    return new Set([...purged].filter((chunk) => !others.has(chunk)));
  }

  /** Chunks that a purged file ever had or was written with: they may be gone, and are where no other file needs them. */
  chunksOfPurged(instants: ReadonlyMap<Revision, NaiveInstant>): Set<number> {
    const { purged } = this.chunksByPurge(instants);
    for (const { revision, node, chunks } of this.writes) if (this.isPurged(node, revision)) for (const chunk of chunks) purged.add(chunk);
    return purged;
  }

  private chunksByPurge(instants: ReadonlyMap<Revision, NaiveInstant>): { readonly purged: Set<number>; readonly others: Set<number> } {
    const [purged, others] = [new Set<number>(), new Set<number>()];
    for (const [revision, { nodes }] of instants) {
      for (const { node, granules, staged } of nodes.values()) {
        const into = this.isPurged(node, revision) ? purged : others;
        for (const granule of [...granules, ...(staged?.granules ?? [])]) if (granule !== 0) into.add(Math.floor(granule / 32));
      }
    }
    return { purged, others };
  }
}
