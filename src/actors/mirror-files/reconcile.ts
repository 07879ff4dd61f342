/**
 * What a sync that was cut off had noted: the list becomes what the store has under each of these keys, as `recover` would have it. The
 * next comparison, its guards and its deletions do the rest. A store that does not answer leaves the notes as they are.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { TOP_KEY } from "../../objects/index.ts";
import type { ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import { attributesFault } from "./check.ts";
import { arrivedFact, judge } from "./recover.ts";

const BATCH_FACTS = 1000;
const HEADS_AT_ONCE = 64;
/** Of no file upstream, so that the next sync fetches it anew. */
const UNKNOWN_TIME = { mtimeSeconds: -(2 ** 32), mtimeNanos: 0 };

/** Nothing is noted any more when it resolves. */
export async function reconcileIntents(files: MirrorFiles, objects: ObjectStore, signal?: AbortSignal): Promise<void> {
  const { intents } = files;
  if (intents.isEmpty) return;
  const slots = slotsByPath(intents.keys());
  const paths = [...slots.keys()].sort(); // What has become of a directory is decided before what lies in it.
  const noDirectories = new Set<ByteString>();
  const list = await files.list();
  try {
    const facts: MirrorFact[] = [];
    for (let at = 0; at < paths.length; at += HEADS_AT_ONCE) {
      signal?.throwIfAborted();
      const group = paths.slice(at, at + HEADS_AT_ONCE);
      const found = await Promise.all(group.map((path) => lookAt(files, objects, { path, entry: list.entry(path), slots: slots.get(path)! })));
      const unlisted: StoredObject[] = [];
      for (const { path, fact, object, beside } of found) {
        unlisted.push(...beside);
        if (object !== undefined && object.kind !== "directory") noDirectories.add(path);
        if (object !== undefined && liesBelow(path, noDirectories)) unlisted.push(object);
        else if (fact !== undefined) facts.push(fact);
      }
      await remove(objects, unlisted);
      if (facts.length >= BATCH_FACTS) await files.record(facts.splice(0));
    }
    await files.record(facts);
  } finally {
    list.close();
  }
  await intents.clear();
}

function liesBelow(path: ByteString, above: ReadonlySet<ByteString>): boolean {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) if (above.has(path.slice(0, end) as ByteString)) return true;
  return false;
}

/** Of a name that was to give way to a directory, or was one, and that came back with a crash: the list can have only one of both. */
async function remove(objects: ObjectStore, unlisted: readonly StoredObject[]): Promise<void> {
  if (unlisted.length === 0) return;
  const [failed] = await objects.delete(unlisted.flatMap(({ key, kind }) => (kind === "other" ? [] : [{ key, kind }])));
  if (failed !== undefined) throw failed.error;
  await objects.settle();
}

type Slot = "file" | "directory";

/** In a bucket a directory has another key than a file of its name, and both may be there. */
function slotsByPath(keys: Iterable<ByteString>): Map<ByteString, Set<Slot>> {
  const slots = new Map<ByteString, Set<Slot>>();
  for (const key of keys) {
    const isDirectory = key.endsWith("/");
    const path = isDirectory ? (key.slice(0, -1) as ByteString) : key;
    const known = slots.get(path);
    if (known === undefined) slots.set(path, new Set([isDirectory ? "directory" : "file"]));
    else known.add(isDirectory ? "directory" : "file");
  }
  return slots;
}

interface Noted {
  readonly path: ByteString;
  readonly entry: FileEntry | undefined;
  readonly slots: ReadonlySet<Slot>;
}

interface Found {
  readonly path: ByteString;
  readonly fact: MirrorFact | undefined;
  /** What the list has under the path from here on, if the store has it. */
  readonly object: StoredObject | undefined;
  /** What is there as well, of another kind. */
  readonly beside: readonly StoredObject[];
}

async function lookAt(files: MirrorFiles, objects: ObjectStore, noted: Noted): Promise<Found> {
  const { path, entry, slots } = noted;
  const nothing: Found = { path, fact: undefined, object: undefined, beside: [] };
  if (path === TOP_KEY && !objects.features.isTree) return nothing; // No store of keys has it.
  const own = entry === undefined ? undefined : slotOf(entry.kind);
  const wanted = objects.features.isTree ? [...slots].slice(0, 1) : [...new Set(own === undefined ? slots : [own, ...slots])];
  const all: StoredObject[] = [];
  for (const slot of wanted) all.push(...(await headOf(objects, path, slot)));
  const object = all.find(({ kind }) => slotOf(kind) === own) ?? all[0];
  if (path === TOP_KEY && object?.kind !== "directory") return nothing; // A symlink to the target.
  return { path, fact: await factOf(files, objects, noted, object), object, beside: all.filter((each) => each !== object) };
}

/** What is there now takes the place of an entry of another kind. */
async function factOf(files: MirrorFiles, objects: ObjectStore, { path, entry }: Noted, object: StoredObject | undefined): Promise<MirrorFact | undefined> {
  const isOther = entry !== undefined && object !== undefined && slotOf(object.kind) !== slotOf(entry.kind);
  const { what, fact } = await judge(objects, { path, entry: isOther ? undefined : entry, object });
  if (fact !== undefined) return objects.features.isTree ? unproven(fact) : fact;
  if (what !== "same" || entry === undefined || object === undefined || object.kind === "other") return undefined;
  if (object.metadata === undefined || attributesFault(entry, object) === undefined || files.lateAttributes.has(path)) return undefined;
  const arrived = arrivedFact(object, object.metadata, object.kind);
  return arrived.type === "FileArrived" ? { ...arrived, digest: entry.digest } : arrived;
}

/** A power cut may have torn what was not settled in a tree; what a bucket shows is whole. */
function unproven(fact: MirrorFact): MirrorFact {
  return fact.type === "FileArrived" && fact.kind === "file" ? { ...fact, ...UNKNOWN_TIME } : fact;
}

function slotOf(kind: string): Slot {
  return kind === "directory" ? "directory" : "file";
}

/** Nothing of a mirror lies behind what is no directory, or under a name that the store does not take. */
async function headOf(objects: ObjectStore, key: ByteString, kind: Slot): Promise<StoredObject[]> {
  try {
    const found = await objects.head({ key, kind });
    return found === undefined ? [] : [found];
  } catch (error) {
    if (isRainbowError(error, "TARGET_REFUSED", "LIMIT")) return [];
    throw error;
  }
}
