/** Reading operations over a view: entries, listings, glob search and file bytes. All stream; none holds a whole directory tree. */
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { NameEntry, Purged, View } from "../../projections/index.ts";
import { globMatcher } from "./glob.ts";
import type { Place } from "./places.ts";
import type { Entry, EntryItem, PurgedFact } from "./types.ts";

const READ_BYTES = 1 << 20; // One region at a time: bounded memory, few chunk lookups.

/** The entry of a node under one of its paths. NOT_FOUND where the view has no such node. */
export function entryOf(view: View, { path, node }: Place): Entry {
  const record = view.node(node);
  if (record === undefined || record.hidden)
    throw new RainbowError("NOT_FOUND", `'${displayOf(path)}' did not exist at r${view.revision}`, { path: displayOf(path) });
  const { attributes } = record;
  return {
    path,
    name: path.slice(path.lastIndexOf("/") + 1) as ByteString,
    node,
    kind: record.kind,
    mode: attributes.mode,
    uid: attributes.uid,
    gid: attributes.gid,
    sizeBytes: record.sizeBytes,
    mtimeSeconds: attributes.mtimeSeconds,
    mtimeNanos: attributes.mtimeNanos,
    linkTarget: record.linkTarget,
    linkCount: record.names.length,
    unsettled: record.unsettled,
    purged: purgedFact(record.kind === "file" ? view.purged(node) : undefined),
  };
}

export function purgedFact(purged: Purged | undefined): PurgedFact | null {
  return purged === undefined ? null : { revision: purged.revision, timeUs: purged.timeUs };
}

interface Level {
  readonly path: ByteString;
  readonly children: Iterator<NameEntry>;
}

/** Everything below a place, parents first, in byte order of names; `depthMax` 1 is the children alone. */
export function* walk(view: View, place: Place, depthMax: number): IterableIterator<EntryItem> {
  const levels: Level[] = [{ path: place.path, children: view.list(place.node) }];
  while (levels.length > 0) {
    const level = levels.at(-1)!;
    const step = level.children.next();
    if (step.done === true) {
      levels.pop();
      continue;
    }
    const path = joinPath(level.path, step.value.name);
    yield { type: "entry", depth: levels.length, ...entryOf(view, { path, node: step.value.node }) };
    if (step.value.kind === "directory" && levels.length < depthMax) levels.push({ path, children: view.list(step.value.node) });
  }
}

/** The place itself where it is no directory, else what walk() gives. */
export function* list(view: View, place: Place, depthMax: number): IterableIterator<EntryItem> {
  const entry = entryOf(view, place);
  if (entry.kind === "directory") yield* walk(view, place, depthMax);
  else yield { type: "entry", depth: 0, ...entry };
}

/** Entries below a place whose name matches the glob, or whose path relative to the place does where the pattern holds a slash. */
export function* find(view: View, place: Place, pattern: string): IterableIterator<EntryItem> {
  const matches = globMatcher(pattern);
  const prefix = place.path === "/" ? 1 : place.path.length + 1;
  const wholePath = pattern.includes("/");
  for (const item of walk(view, place, Number.POSITIVE_INFINITY)) {
    if (matches(wholePath ? (item.path.slice(prefix) as ByteString) : item.name)) yield item;
  }
}

/** A file's bytes in order, up to 1 MiB at a time. */
export async function* bytesOfFile(view: View, place: Place): AsyncGenerator<Buffer> {
  const entry = entryOf(view, place);
  if (entry.kind !== "file")
    throw new RainbowError("USAGE", `'${displayOf(place.path)}' is a ${entry.kind}, only files have bytes: name a file`, { kind: entry.kind });
  if (view.stream !== undefined) for await (const bytes of view.stream(place.node)) yield Buffer.from(bytes);
  else for (let offset = 0; offset < entry.sizeBytes; offset += READ_BYTES) yield view.read(place.node, offset, Math.min(READ_BYTES, entry.sizeBytes - offset));
}

export function joinPath(parent: ByteString, name: ByteString): ByteString {
  return (parent === "/" ? `/${name}` : parent === "" ? name : `${parent}/${name}`) as ByteString;
}
