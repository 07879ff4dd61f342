/**
 * Modes and times that changed alone, written to objects late: a bucket can change them only by a copy of the object, and an upstream
 * that touches its files every day must not cost a copy of each. Stopped at any moment, it is found to be done or is done again.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ObjectMetadata, ObjectPlace, ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, LateFile, MirrorFact, MirrorFiles } from "../../projections/index.ts";

/** Writes the attributes of these as the list has them now; returns how many. What is gone, or was changed by others, is left to `check`. */
export async function writeLateAttributes(files: MirrorFiles, objects: ObjectStore, late: readonly LateFile[], signal?: AbortSignal): Promise<number> {
  let writtenCount = 0;
  for (const file of late) {
    if (signal?.aborted === true) break;
    const list = await files.list();
    let entry: FileEntry | undefined;
    try {
      entry = list.entry(file.path);
    } finally {
      list.close();
    }
    const place = entry === undefined ? undefined : await written(objects, entry);
    if (entry === undefined || place === undefined) continue;
    const sums = files.sums.of(entry);
    await objects.settle();
    await files.record([factOf(entry, place)]);
    if (sums !== undefined) files.sums.remember(entry.path, entry, sums); // The content is what it was; its fact forgot them.
    await files.lateAttributes.done([file]);
    writtenCount++;
  }
  await files.sums.flush();
  return writtenCount;
}

/** The place of the object once it has the entry's attributes; undefined where it is not what was stored. */
async function written(objects: ObjectStore, entry: FileEntry): Promise<ObjectPlace | undefined> {
  const metadata = metadataOf(entry);
  if (metadata === undefined || entry.place === undefined) return undefined;
  const found = await objects.head({ key: entry.path, kind: metadata.kind });
  if (found === undefined || (metadata.kind === "file" && found.sizeBytes !== entry.sizeBytes)) return undefined;
  if (isDescribedAs(found, metadata)) return found.place; // Written before, and the fact of it was not.
  if (found.place.etag !== entry.place.etag) return undefined;
  try {
    return await objects.setMetadata(entry.path, metadata);
  } catch (error) {
    if (isRainbowError(error, "OBJECT_CHANGED")) return undefined;
    throw error;
  }
}

function isDescribedAs({ metadata: found }: StoredObject, { mode, mtimeSeconds, mtimeNanos, digest }: ObjectMetadata): boolean {
  if (found?.mode !== mode || found.mtimeSeconds !== mtimeSeconds || found.mtimeNanos !== mtimeNanos) return false;
  return found.digest === undefined || (digest !== undefined && Buffer.from(found.digest.bytes).equals(digest.bytes));
}

function metadataOf({ kind, mode, mtimeSeconds, mtimeNanos, linkTarget, digest }: FileEntry): ObjectMetadata | undefined {
  if (kind !== "file" && kind !== "directory" && kind !== "symlink") return undefined;
  return { kind, mode, mtimeSeconds, mtimeNanos, linkTarget: kind === "symlink" ? linkTarget : undefined, digest };
}

function factOf({ path, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, linkTarget, digest }: FileEntry, place: ObjectPlace): MirrorFact {
  if (kind === "symlink") return { type: "LinkArrived", path, linkTarget, mode, mtimeSeconds, mtimeNanos, place };
  return { type: "FileArrived", path, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, digest, place };
}
