/** Makes a machine's control file anew from its data file and what the events name; the trees follow by replay. */
import { join } from "node:path";
import { enrolmentOf, newestOfAll, streamOf } from "../actors/machine/index.ts";
import { RainbowError } from "../core/index.ts";
import type { Disk, Revision } from "../core/index.ts";
import { ChunkSet, rebuildControl } from "../dig/index.ts";
import type { RebuildSource } from "../dig/index.ts";
import { openLmdbControl } from "../dig/lmdb/index.ts";
import { readBatches } from "../events/index.ts";
import type { EventStore } from "../events/index.ts";
import { referencesOfTree } from "../projections/index.ts";
import type { DataDirectory } from "./data-directory.ts";
import { openZstd } from "./os/index.ts";

const QUOTA_BYTES_UNKNOWN = 2 ** 40; // Used only where both superblocks are damaged; the next start may set another.

export async function rebuildMachine(disk: Disk, directory: DataDirectory, store: EventStore): Promise<void> {
  const { machine } = directory.format;
  const enrolled = await enrolmentOf(store, streamOf(machine));
  if (enrolled === undefined)
    throw new RainbowError("NO_STORE", `${directory.path}: the event store has nothing of machine ${machine}: there is nothing to repair`);
  await rebuildControl(
    {
      disk,
      directory: join(directory.path, "machines", machine),
      hashKey: Buffer.from(enrolled.hashKey, "hex"),
      control: openLmdbControl,
      zstd: openZstd(),
      uuid: enrolled.dataFile,
      quotaBytes: QUOTA_BYTES_UNKNOWN,
    },
    await rebuildSource(store, streamOf(machine)),
  );
}

/**
 * What must be kept (rule 18): the trees that the newest Rebased names, of the window's start and of snapshots that were not dropped
 * since, and every chunk that an event from there on stored or named.
 */
export async function rebuildSource(store: EventStore, stream: string): Promise<RebuildSource> {
  const { headRevision } = await store.info(stream);
  const newest = await newestOfAll(store, stream);
  const snapshots = new Map(newest?.state.snapshots.map(({ name, revision }) => [name, revision]));
  const kept = new ChunkSet();
  const from = ((newest?.window ?? -1) + 1) as Revision; // Older events may not be truncated yet: what only they name was freed.
  for await (const { events } of readBatches(store, stream, from, headRevision)) {
    for (const { event } of events) {
      if (event.type === "ChunksStored") event.chunks.forEach((_, i) => kept.add(event.first + i));
      else if (event.type === "ExtentsWritten") for (const { chunk } of event.extents) kept.add(chunk);
      else if (event.type === "SnapshotTaken") snapshots.set(event.name, event.revision);
      else if (event.type === "SnapshotDropped") snapshots.delete(event.name);
    }
  }
  const revisions = new Set<number>([newest?.window ?? -1, ...snapshots.values()]);
  const trees = newest?.state.trees.filter((tree) => revisions.has(tree.revision)) ?? [];
  return { trees, referencesOf: referencesOfTree, keep: (chunk) => kept.has(chunk) };
}
