/**
 * Modes and times that changed alone, and digests that were known only when their objects were whole, written to objects late: a bucket
 * can change what describes an object only by a copy of it, and an upstream that touches its files every day must not cost a copy of
 * each. Stopped at any moment, it is found to be done or is done again.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectMetadata, ObjectPlace, ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, LateAttributes, LateFile, MirrorFact, MirrorFiles } from "../../projections/index.ts";

const PAGE = 1000;

/** Writes the attributes of these as the list has them now; returns how many. What is gone, or was changed by others, is left to `check`. */
export function writeLateAttributes(files: MirrorFiles, objects: ObjectStore, late: readonly LateFile[], signal?: AbortSignal): Promise<number> {
  return write(files, files.lateAttributes, objects, late, signal);
}

/** As `writeLateAttributes`, for objects whose digest was not known when they were described. */
export function writeLateDigests(files: MirrorFiles, objects: ObjectStore, late: readonly LateFile[], signal?: AbortSignal): Promise<number> {
  return write(files, files.lateDigests, objects, late, signal);
}

/** What a sync may write of late digests: each costs the store a copy of its object. */
export interface LateDigestLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

/** Some of all. None where a bucket keeps versions: each copy would stay there as another one. */
export async function writeSomeLateDigests(files: MirrorFiles, objects: ObjectStore, limits: LateDigestLimits, signal?: AbortSignal): Promise<number> {
  return objects.features.keepsVersions ? 0 : writeLateDigests(files, objects, await fittingDigests(files, limits), signal);
}

async function fittingDigests(files: MirrorFiles, { countMax, bytesMax }: LateDigestLimits): Promise<LateFile[]> {
  const chosen: LateFile[] = [];
  let chosenBytes = 0;
  const list = await files.list();
  try {
    for (let page = files.lateDigests.some("" as ByteString, PAGE); page.length > 0; page = files.lateDigests.some(page.at(-1)!.path, PAGE))
      for (const file of page) {
        const sizeBytes = list.entry(file.path)?.sizeBytes ?? 0;
        if (chosenBytes + sizeBytes > bytesMax) continue;
        chosenBytes += sizeBytes;
        if (chosen.push(file) === countMax) return chosen;
      }
    return chosen;
  } finally {
    list.close();
  }
}

async function write(files: MirrorFiles, queue: LateAttributes, objects: ObjectStore, late: readonly LateFile[], signal?: AbortSignal): Promise<number> {
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
    await objects.settle();
    const claim = files.claims.of(entry);
    if (claim !== undefined) await files.claims.note([{ path: entry.path, place, claim }]); // It speaks for that content, wherever it lies.
    await files.record([{ ...factOf(entry, place), isSameContent: true }]);
    await queue.done([file]);
    writtenCount++;
  }
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
  if (found.digest === undefined || digest === undefined) return found.digest === digest;
  return found.digest.name === digest.name && Buffer.from(found.digest.bytes).equals(digest.bytes);
}

function metadataOf({ kind, mode, mtimeSeconds, mtimeNanos, linkTarget, digest }: FileEntry): ObjectMetadata | undefined {
  if (kind !== "file" && kind !== "directory" && kind !== "symlink") return undefined;
  return { kind, mode, mtimeSeconds, mtimeNanos, linkTarget: kind === "symlink" ? linkTarget : undefined, digest };
}

type ArrivalFact = MirrorFact & { readonly type: "FileArrived" | "LinkArrived" };

/** The entry as it is, under this place. */
export function factOf({ path, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, linkTarget, digest }: FileEntry, place: ObjectPlace): ArrivalFact {
  if (kind === "symlink") return { type: "LinkArrived", path, linkTarget, mode, mtimeSeconds, mtimeNanos, place };
  return { type: "FileArrived", path, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, digest, place };
}
