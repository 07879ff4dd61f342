/** Makes a machine's control file anew from its data file and what the events name; the trees follow by replay. */
import { join } from "node:path";
import { enrolmentOf, streamOf } from "../actors/machine/index.ts";
import { RainbowError } from "../core/index.ts";
import type { ChunkNumber, Disk } from "../core/index.ts";
import { rebuildControl } from "../dig/index.ts";
import { openLmdbControl } from "../dig/lmdb/index.ts";
import { readBatches } from "../events/index.ts";
import type { EventStore } from "../events/index.ts";
import { ChunkSet } from "../projections/index.ts";
import type { DataDirectory } from "./data-directory.ts";
import { openZstd } from "./os/index.ts";

const QUOTA_BYTES_UNKNOWN = 2 ** 40; // Used only where both superblocks are damaged; the next start may set another.

export async function rebuildMachine(disk: Disk, directory: DataDirectory, store: EventStore): Promise<void> {
  const { machine } = directory.format;
  const enrolled = await enrolmentOf(store, machine);
  if (enrolled === undefined)
    throw new RainbowError("NO_STORE", `${directory.path}: the event store has nothing of machine ${machine}: there is nothing to repair`);
  const stored = await storedChunks(store, streamOf(machine));
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
    { keep: (chunk: ChunkNumber) => stored.has(chunk) },
  );
}

/** Every chunk number that an event of the stream gave out. */
async function storedChunks(store: EventStore, stream: string): Promise<ChunkSet> {
  const stored = new ChunkSet();
  const { headRevision, truncatedBefore } = await store.info(stream);
  for await (const batch of readBatches(store, stream, truncatedBefore, headRevision)) {
    for (const { event } of batch.events) if (event.type === "ChunksStored") event.chunks.forEach((_, i) => stored.add((event.first + i) as ChunkNumber));
  }
  return stored;
}
