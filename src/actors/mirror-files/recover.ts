/**
 * A file list made anew from what the object store holds: every object that the list does not have as it is becomes a fact, and what the
 * list has and the store has not is withdrawn. What is right already is left alone, digests included; nothing in the store is touched.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectKind, ObjectMetadata, ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import { sideBySide } from "./side-by-side.ts";
import type { Pair } from "./side-by-side.ts";

const BATCH_FACTS = 1000;
const HEADS_AT_ONCE = 64; // A store that does not list metadata is asked for each object: ten million of them one by one would take days.

export type RecoveredItem =
  | { readonly type: "recovered"; readonly path: ByteString; readonly what: "adopted" | "corrected" | "withdrawn" | "ignored" }
  | ({ readonly type: "summary" } & RecoverReport);

/** How far a check, a scrub or a recovery is. */
export interface CareProgress {
  nameCount: number;
  readBytes: number;
}

export interface RecoverReport {
  /** In the store. */
  readonly objectCount: number;
  /** Were right in the list already. */
  readonly sameCount: number;
  readonly adoptedCount: number;
  readonly correctedCount: number;
  readonly withdrawnCount: number;
  /** No mirror puts such a thing there. */
  readonly ignoredCount: number;
}

/** Tells of each path once its facts are durable; the summary comes last. Stopped at any moment, it goes on when it is asked for again. */
export async function* recoverFiles(files: MirrorFiles, objects: ObjectStore, signal?: AbortSignal, progress?: CareProgress): AsyncGenerator<RecoveredItem> {
  const counts = { objectCount: 0, sameCount: 0, adoptedCount: 0, correctedCount: 0, withdrawnCount: 0, ignoredCount: 0 };
  const list = await files.list();
  try {
    let facts: MirrorFact[] = [];
    let items: RecoveredItem[] = [];
    for await (const pairs of inGroups(sideBySide(list, objects), HEADS_AT_ONCE)) {
      if (signal?.aborted === true) return;
      const found = await Promise.all(pairs.map((pair) => judge(objects, pair)));
      if (progress !== undefined) progress.nameCount += pairs.length;
      for (const [i, { path, object }] of pairs.entries()) {
        const { what, fact } = found[i]!;
        if (object !== undefined) counts.objectCount += 1;
        counts[`${what}Count`] += 1;
        if (fact !== undefined) facts.push(fact);
        if (what !== "same") items.push({ type: "recovered", path, what });
      }
      if (facts.length < BATCH_FACTS) continue;
      await files.record(facts);
      yield* items;
      [facts, items] = [[], []];
    }
    await files.record(facts);
    yield* items;
  } finally {
    list.close();
  }
  yield { type: "summary", ...counts };
}

async function* inGroups<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < count) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

type Found =
  { readonly what: "same" | "ignored"; readonly fact?: undefined } | { readonly what: "adopted" | "corrected" | "withdrawn"; readonly fact: MirrorFact };

/** What a path, an entry of it and an object under it mean for the list. */
export async function judge(objects: Pick<ObjectStore, "head">, { path, entry, object }: Pair): Promise<Found> {
  if (object === undefined) {
    return entry?.place === undefined ? { what: "same" } : { what: "withdrawn", fact: lostFact(entry) };
  }
  const { kind } = object;
  if (kind === "other") return { what: "ignored" };
  if (entry !== undefined && isSameContent(entry, object)) return { what: "same" };
  const whole = object.metadata === undefined ? ((await objects.head({ key: path, kind })) ?? object) : object;
  // No mirror put it there. Known to the list, it would be taken away by the next sync as what upstream does not have.
  if (whole.metadata === undefined) return entry?.place === undefined ? { what: "ignored" } : { what: "withdrawn", fact: lostFact(entry) };
  return { what: entry === undefined ? "adopted" : "corrected", fact: arrivedFact(whole, whole.metadata, kind) };
}

/**
 * The next sync fetches it anew. A directory stays, as a withdrawal would take along what lies below it; of another time than upstream, it
 * is made again.
 */
export function lostFact({ path, kind, mode }: FileEntry): MirrorFact {
  if (kind !== "directory") return { type: "FileWithdrawn", path, reason: "lost" };
  const nothing = { sizeBytes: 0, rdev: 0, digest: undefined, place: undefined };
  return { type: "FileArrived", path, kind, mode, mtimeSeconds: 0, mtimeNanos: 0, ...nothing };
}

/** Attributes may be written later than they are recorded: they are no reason to take the store's. */
export function isSameContent(entry: FileEntry, object: StoredObject): boolean {
  const isUntoldLink = entry.kind === "symlink" && object.kind === "file" && object.metadata === undefined; // A bucket's listing names no kinds.
  if ((entry.kind !== object.kind && !isUntoldLink) || entry.place === undefined) return false;
  const hasSameVersion = entry.place.version === undefined || object.place.version === undefined || entry.place.version === object.place.version;
  return hasSameVersion && entry.place.etag === object.place.etag && (entry.kind !== "file" || entry.sizeBytes === object.sizeBytes);
}

export function arrivedFact({ key: path, sizeBytes, place }: StoredObject, metadata: ObjectMetadata, kind: ObjectKind): MirrorFact {
  const { mode, mtimeSeconds, mtimeNanos, linkTarget, digest } = metadata;
  const stamp = { path, mode, mtimeSeconds, mtimeNanos, place };
  if (kind === "symlink") return { type: "LinkArrived", ...stamp, linkTarget: linkTarget ?? ("" as ByteString) };
  const recorded = digest === undefined ? undefined : { name: digest.name, bytes: Buffer.from(digest.bytes) };
  return { type: "FileArrived", ...stamp, kind, sizeBytes: kind === "file" ? sizeBytes : 0, rdev: 0, digest: kind === "file" ? recorded : undefined };
}
