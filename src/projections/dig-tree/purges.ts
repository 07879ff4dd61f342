/**
 * Which files' content was purged, and from which instants (rule 16): a purge at revision X hides a file in every instant before X, under
 * all names that it had. Facts of the machine, one for each PathPurged, kept as long as an instant before it is.
 */
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString, NodeId, Revision, TimeUs } from "../../core/index.ts";
import type { TreeReader } from "../../dig/index.ts";
import type { RecordedBatch } from "../../events/index.ts";
import { decodeFact, purgeKey } from "./control.ts";
import { snapshotsOf } from "./control-facts.ts";
import { PREFIX } from "./keys.ts";
import type { State } from "./state.ts";

export interface Purge {
  readonly revision: Revision;
  /** Host time. */
  readonly timeUs: TimeUs;
  readonly path: ByteString;
}

/** As the tree keeps it: `nodes` as in PathPurged. */
export interface PurgeFact extends Purge {
  readonly nodes: readonly number[];
}

/** The nodes of a purge, laid out for looking one up. */
interface Hidden {
  readonly purge: Purge;
  readonly starts: Float64Array;
  /** Exclusive. */
  readonly ends: Float64Array;
}

export class Purges {
  /** Newest first. */
  private all: readonly Hidden[];

  constructor(facts: readonly PurgeFact[]) {
    this.all = facts.map(hiddenBy).sort((a, b) => b.purge.revision - a.purge.revision);
  }

  /** These, and those of before that the state has forgotten since: a reader may still be at an instant before them. */
  and(before: Purges): Purges {
    const own = new Set(this.all.map(({ purge }) => purge.revision));
    const joined = new Purges([]);
    joined.all = [...this.all, ...before.all.filter(({ purge }) => !own.has(purge.revision))].sort((a, b) => b.purge.revision - a.purge.revision);
    return joined;
  }

  /** 0 where there is none. */
  get newest(): Revision {
    return this.all[0]?.purge.revision ?? (0 as Revision);
  }

  get count(): number {
    return this.all.length;
  }

  /** The newest purge that hides a file's content at an instant. */
  of(node: NodeId, instant: Revision): Purge | undefined {
    for (const { purge, starts, ends } of this.all) {
      if (purge.revision <= instant) return undefined;
      const at = lastAtOrBelow(starts, node);
      if (at >= 0 && node < ends[at]!) return purge;
    }
    return undefined;
  }

  /** Each purge after an instant, with its files, newest first. */
  *after(instant: Revision): IterableIterator<{ readonly purge: Purge; readonly nodes: IterableIterator<NodeId> }> {
    for (const { purge, starts, ends } of this.all) if (purge.revision > instant) yield { purge, nodes: nodesOf(starts, ends) };
  }
}

/** Those of a state, and those known before. */
export function purgesIn(state: State, before?: Purges): Purges {
  const purges = purgesOf(state.controls(PREFIX.purge));
  return before === undefined ? purges : purges.and(before);
}

function purgesOf(values: Iterable<{ readonly value: Buffer }>): Purges {
  return new Purges([...values].map(({ value }) => decodeFact<PurgeFact>(value)));
}

/** As of a tree's revision. */
export function purgesOfTree(reader: TreeReader): Purges {
  return purgesOf(reader.range(Buffer.from([PREFIX.purge]), Buffer.from([PREFIX.purge + 1])));
}

export function changesPurges({ events }: RecordedBatch): boolean {
  return events.some(({ event }) => event.type === "PathPurged" || event.type === "Rebased");
}

/** The window's start moved: what hides nothing that is still kept goes. */
export function forgetPurges(state: State, window: Revision): void {
  const oldest = Math.min(window, ...snapshotsOf(state).map(({ revision }) => revision));
  for (const { value } of state.controls(PREFIX.purge)) {
    const { revision } = decodeFact<PurgeFact>(value);
    if (revision <= oldest) state.setControl(purgeKey(revision), null);
  }
}

/** Nodes in any order, each once, as a PathPurged has them: in as many lists as its limit wants. */
export function runsOfNodes(nodes: Iterable<NodeId>, runsMax: number): number[][] {
  const lists: number[][] = [];
  let [runs, end]: [number[], number] = [[], 0];
  for (const node of Float64Array.from(nodes).sort()) {
    if (runs.length > 0 && node === end) runs[runs.length - 1]! += 1;
    else {
      if (runs.length === 0 || runs.length >= runsMax * 2) {
        lists.push((runs = []));
        end = 0;
      }
      runs.push(node - end, 1);
    }
    end = node + 1;
  }
  return lists;
}

export function contentPurged(path: string, instant: Revision, purge: Purge): RainbowError {
  const when = new Date(purge.timeUs / 1000).toISOString();
  const message = `the content of '${displayOf(path as ByteString)}' at r${instant} was purged on ${when} (r${purge.revision}): only its name is still there`;
  return new RainbowError("PURGED", message, {
    path: displayOf(path as ByteString),
    revision: instant,
    purgedRevision: purge.revision,
    purgedUs: purge.timeUs,
  });
}

function hiddenBy({ revision, timeUs, path, nodes }: PurgeFact): Hidden {
  const [starts, ends] = [new Float64Array(nodes.length / 2), new Float64Array(nodes.length / 2)];
  let end = 0;
  for (let i = 0; i < starts.length; i++) {
    starts[i] = end + nodes[i * 2]!;
    ends[i] = end = starts[i]! + nodes[i * 2 + 1]!;
  }
  return { purge: { revision, timeUs, path }, starts, ends };
}

function* nodesOf(starts: Float64Array, ends: Float64Array): IterableIterator<NodeId> {
  for (let i = 0; i < starts.length; i++) for (let node = starts[i]!; node < ends[i]!; node++) yield node as NodeId;
}

function lastAtOrBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
