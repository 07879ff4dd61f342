/** Stores damaged chunks anew where the live files still hold their bytes: what a chunk held is gathered from every file that names it. */
import { CHUNK_BYTES_MAX, ENCODING, isRainbowError, MACHINE_NODE, OsError } from "../../core/index.ts";
import type { ByteString, ChunkNumber, Extent, NodeId, Os } from "../../core/index.ts";
import type { Dig } from "../../dig/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { viewAt } from "./instants.ts";
import { joinPath } from "./reading.ts";
import type { ProgressItem } from "./types.ts";

/** A damaged chunk, and what was found of it so far. */
interface Wanted {
  readonly hash: Buffer;
  readonly plain: Buffer;
  foundBytes: number;
}

export async function* mendFromLiveFiles({ host, os }: OperationsContext): AsyncGenerator<ProgressItem> {
  const { dig } = host.opened();
  const wanted = await damagedChunks(dig);
  if (wanted.size === 0) return;
  const { view } = await viewAt(host.opened(), { kind: "now" });
  try {
    gather(view, os, wanted);
  } finally {
    view.close();
  }
  let doneCount = 0;
  for (const [chunk, { hash, plain, foundBytes }] of wanted) {
    if (foundBytes >= plain.length) await mendIfRight(dig, chunk, hash, plain);
    doneCount += 1;
    yield { type: "progress", phase: "mending", doneBytes: 0, allBytes: 0, doneCount, allCount: wanted.size };
  }
}

async function damagedChunks(dig: Dig): Promise<Map<ChunkNumber, Wanted>> {
  const wanted = new Map<ChunkNumber, Wanted>();
  for await (const { chunk } of dig.check({ readData: true })) {
    if (chunk === undefined || wanted.has(chunk)) continue;
    const { hash, lengthBytes } = dig.chunks.describe(chunk);
    wanted.set(chunk, { hash, plain: Buffer.alloc(Math.min(lengthBytes, CHUNK_BYTES_MAX)), foundBytes: 0 });
  }
  return wanted;
}

/** Walks the present and reads, from the live files, the ranges that damaged chunks held. */
function gather(view: View, os: Os, wanted: ReadonlyMap<ChunkNumber, Wanted>): void {
  const open: { readonly path: ByteString; readonly node: NodeId }[] = [...view.list(MACHINE_NODE)].map(({ name, node }) => ({ path: name, node }));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const { name, node, kind } of view.list(at.node)) {
      const path = joinPath(at.path, name);
      if (kind === "directory") open.push({ path, node });
      if (kind !== "file") continue;
      const extents = view.extents(node, 0, view.node(node)?.sizeBytes ?? 0).filter((extent) => wanted.has(extent.chunk));
      if (extents.length > 0) readRanges(os, path, extents, wanted);
    }
  }
}

function readRanges(os: Os, path: ByteString, extents: readonly Extent[], wanted: ReadonlyMap<ChunkNumber, Wanted>): void {
  try {
    const fd = os.openRead(path);
    try {
      for (const { offset, length, chunk, chunkOffset } of extents) {
        const { plain } = wanted.get(chunk)!;
        wanted.get(chunk)!.foundBytes += os.read(fd, plain.subarray(chunkOffset, chunkOffset + length), offset);
      }
    } finally {
      os.close(fd);
    }
  } catch (error) {
    if (!(error instanceof OsError)) throw error; // A file that is gone or cannot be read holds nothing for us; check names the chunk.
  }
}

/** What the live file holds now may be something else: the store takes only what matches the hash, and check says what is left. */
async function mendIfRight(dig: Dig, chunk: ChunkNumber, hash: Buffer, plain: Buffer): Promise<void> {
  try {
    await dig.chunks.mend(chunk, { hash, lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain });
  } catch (error) {
    if (!isRainbowError(error, "DIG_CHECKSUM")) throw error;
  }
}
