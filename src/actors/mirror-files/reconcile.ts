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
  const paths = [...slots.keys()].sort(); // What a directory became is decided before what lies in it.
  const list = await files.list();
  try {
    const facts: MirrorFact[] = [];
    for (let at = 0; at < paths.length; at += HEADS_AT_ONCE) {
      signal?.throwIfAborted();
      const group = paths.slice(at, at + HEADS_AT_ONCE);
      const found = await Promise.all(group.map((path) => factOf(files, objects, { path, entry: list.entry(path), slots: slots.get(path)! })));
      facts.push(...found.flatMap((fact) => fact ?? []));
      if (facts.length >= BATCH_FACTS) await files.record(facts.splice(0));
    }
    await files.record(facts);
  } finally {
    list.close();
  }
  await intents.clear();
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

/** One for each path: what is there now takes the place of an entry of another kind. */
async function factOf(files: MirrorFiles, objects: ObjectStore, { path, entry, slots }: Noted): Promise<MirrorFact | undefined> {
  if (path === TOP_KEY && !objects.features.isTree) return undefined; // No store of keys has it.
  const own = entry === undefined ? undefined : slotOf(entry.kind);
  const wanted = objects.features.isTree ? [...slots].slice(0, 1) : [...new Set(own === undefined ? slots : [own, ...slots])];
  const found: StoredObject[] = [];
  for (const slot of wanted) found.push(...(await headOf(objects, path, slot)));
  const object = found.find(({ kind }) => slotOf(kind) === own) ?? found[0];
  if (path === TOP_KEY && object?.kind !== "directory") return undefined; // A symlink to the target.
  const isOther = object !== undefined && slotOf(object.kind) !== own;
  const { what, fact } = await judge(objects, { path, entry: isOther ? undefined : entry, object });
  if (fact !== undefined) return objects.features.isTree ? unproven(fact) : fact;
  if (what !== "same" || entry === undefined || object === undefined || object.kind === "other") return undefined;
  if (attributesFault(entry, object) === undefined || files.lateAttributes.has(path)) return undefined;
  const arrived = arrivedFact(object, object.kind);
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
