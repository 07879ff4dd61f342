/** Makes the control files of the machine and the mirrors anew, from their data files and what the events name; the trees follow by replay. */
import { join } from "node:path";
import { enrolmentOf, mirrorStreamOf, newestOfAll, streamOf } from "../actors/machine/index.ts";
import type { NewestRebased } from "../actors/machine/index.ts";
import { RainbowError } from "../core/index.ts";
import type { Disk, Revision } from "../core/index.ts";
import { ChunkSet, DATA_FILE, rebuildControl } from "../dig/index.ts";
import type { RebuildSource, ReferencesOfTree } from "../dig/index.ts";
import { openLmdbControl } from "../dig/lmdb/index.ts";
import { readBatches, readStoredBatches } from "../events/index.ts";
import type { Enrolment, EventStore, MachineEventType } from "../events/index.ts";
import { Purges, purgesOfTree, referencesOfTree } from "../projections/index.ts";
import type { PurgeFact, Snapshot } from "../projections/index.ts";
import type { DataDirectory } from "./data-directory.ts";
import { openZstd } from "./os/index.ts";

const QUOTA_BYTES_UNKNOWN = 2 ** 40; // Used only where both superblocks are damaged; the next start may set another.

export async function rebuildAll(disk: Disk, { path, format }: DataDirectory, store: EventStore): Promise<void> {
  const { machine } = format;
  const enrolled = await enrolmentOf(store, streamOf(machine));
  if (enrolled === undefined) throw new RainbowError("NO_STORE", `${path}: the event store has nothing of machine ${machine}: there is nothing to repair`);
  await rebuildOne(disk, store, { directory: join(path, "machines", machine), stream: streamOf(machine), enrolled });
  const mirrors = await store.streams(mirrorStreamOf(""));
  for (const { stream } of mirrors.filter(({ deleted }) => !deleted)) {
    const defined = await enrolmentOf(store, stream);
    const directory = join(path, "mirrors", stream.slice(mirrorStreamOf("").length));
    if (defined !== undefined && disk.exists(join(directory, DATA_FILE))) await rebuildOne(disk, store, { directory, stream, enrolled: defined });
  }
}

interface Rebuilding {
  readonly directory: string;
  readonly stream: string;
  readonly enrolled: Enrolment;
}

async function rebuildOne(disk: Disk, store: EventStore, { directory, stream, enrolled }: Rebuilding): Promise<void> {
  const { hashKey, dataFile: uuid } = enrolled;
  const parts = { disk, directory, hashKey: Buffer.from(hashKey, "hex"), control: openLmdbControl, zstd: openZstd(), uuid };
  await rebuildControl({ ...parts, quotaBytes: QUOTA_BYTES_UNKNOWN }, await rebuildSource(store, stream));
}

/**
 * What must be kept (rule 18): the trees that the newest Rebased names, of the window's start and of snapshots that were not dropped
 * since, and every chunk that an event from there on stored or named. What purged files alone name may be gone, or be on its way: it is
 * kept where its bytes are still good, and the purge begins anew. Where nothing was taken away for that Rebased yet, and its trees were
 * lost with an earlier control file, what the one before leads to does as well.
 */
export async function rebuildSource(store: EventStore, stream: string): Promise<RebuildSource> {
  const { newest, noted, isNewestNoted } = await newestOfAll(store, stream);
  const source = await sourceSince(store, stream, newest);
  return isNewestNoted ? source : { ...source, before: await sourceSince(store, stream, noted) };
}

async function sourceSince(store: EventStore, stream: string, rebased: NewestRebased | undefined): Promise<RebuildSource> {
  const { headRevision } = await store.info(stream);
  const from = ((rebased?.window ?? -1) + 1) as Revision; // Older events may not be truncated yet: what only they name was freed.
  const { purges, revisions } = await factsAfter(store, stream, from, headRevision, rebased?.state.snapshots ?? []);
  revisions.add(rebased?.window ?? -1);
  const trees = rebased?.state.trees.filter((tree) => revisions.has(tree.revision)) ?? [];
  const [kept, purged] = [new ChunkSet(), new ChunkSet()];
  let nextChunk = trees.at(-1)?.nextChunk ?? 1;
  for await (const batch of readBatches(store, stream, from, headRevision)) {
    for (const { event } of batch.events) {
      if (event.type === "ChunksStored") {
        event.chunks.forEach((_, i) => purged.add(event.first + i));
        nextChunk = Math.max(nextChunk, event.first + event.chunks.length);
      }
      if (event.type !== "ExtentsWritten") continue;
      const into = purges.of(event.node, batch.last) === undefined ? kept : purged;
      for (const { chunk } of event.extents) into.add(chunk);
    }
  }
  return { trees, nextChunk, referencesOf: unpurgedReferences(purges, purged), keep: (chunk) => kept.has(chunk), keepIfGood: (chunk) => purged.has(chunk) };
}

const FACTS: ReadonlySet<string> = new Set<MachineEventType>(["SnapshotTaken", "SnapshotDropped", "PathPurged"]);

/** What later events say of purges and snapshots. */
async function factsAfter(
  store: EventStore,
  stream: string,
  from: Revision,
  to: Revision,
  before: readonly Snapshot[],
): Promise<{ readonly purges: Purges; readonly revisions: Set<number> }> {
  const snapshots = new Map(before.map(({ name, revision }) => [name, revision]));
  const facts: PurgeFact[] = [];
  for await (const batch of readStoredBatches(store, stream, from, to)) {
    for (const [i, { type }] of batch.stored.entries()) {
      if (!FACTS.has(type)) continue;
      const { event, revision, metadata } = batch.recorded(i);
      if (event.type === "SnapshotTaken") snapshots.set(event.name, event.revision);
      else if (event.type === "SnapshotDropped") snapshots.delete(event.name);
      else if (event.type === "PathPurged") facts.push({ revision, timeUs: metadata.hostTimeUs, path: event.path, nodes: event.nodes });
    }
  }
  return { purges: new Purges(facts), revisions: new Set(snapshots.values()) };
}

/** References of a tree by files that are not purged at its instant; those of the others are put into `purged`. Trees come newest first. */
function unpurgedReferences(later: Purges, purged: ChunkSet): ReferencesOfTree {
  let atWindow: Purges | undefined;
  return async (tree, count) => {
    atWindow ??= purgesOfTree(tree); // The window's own comes first, and holds those that are older.
    const { revision } = tree.info;
    await referencesOfTree(tree, (chunk, node) => {
      if (later.of(node, revision) === undefined && atWindow?.of(node, revision) === undefined) count(chunk);
      else purged.add(chunk);
    });
  };
}
