/**
 * A mirror's file list beside a listing of its object store, in one pass over both: in the order of keys, where a directory's ends in a
 * slash. Memory does not grow with either.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, FileList } from "../../projections/index.ts";

/** One of both is there. */
export interface Pair {
  readonly path: ByteString;
  readonly entry: FileEntry | undefined;
  readonly object: StoredObject | undefined;
}

const TOP = "." as ByteString;

/** Without the root itself. */
export async function* sideBySide(list: Pick<FileList, "children">, objects: Pick<ObjectStore, "list">): AsyncGenerator<Pair> {
  const entries = inKeyOrder(list, TOP);
  let next = entries.next();
  for await (const page of objects.list()) {
    for (const object of page) {
      const key = keyOf(object.key, object.kind === "directory");
      for (; next.done !== true && keyOfEntry(next.value) < key; next = entries.next()) yield { path: next.value.path, entry: next.value, object: undefined };
      const isBoth = next.done !== true && keyOfEntry(next.value) === key;
      yield { path: object.key, entry: isBoth ? next.value : undefined, object };
      if (isBoth) next = entries.next();
    }
  }
  for (; next.done !== true; next = entries.next()) yield { path: next.value.path, entry: next.value, object: undefined };
}

function keyOf(path: ByteString, isDirectory: boolean): string {
  return isDirectory ? `${path}/` : path;
}

const keyOfEntry = (entry: FileEntry): string => keyOf(entry.path, entry.kind === "directory");

/** Names come in byte order; a directory waits for those that sort before its name with a slash: "a-b" before "a/". */
function* inKeyOrder(list: Pick<FileList, "children">, directory: ByteString): Generator<FileEntry> {
  const waiting: FileEntry[] = []; // Each but the first begins with the name before it and a byte below the slash: few.
  for (const entry of list.children(directory)) {
    while (waiting.length > 0 && keyOfEntry(waiting.at(-1)!) < entry.path) yield* withContent(list, waiting.pop()!);
    if (entry.kind === "directory") waiting.push(entry);
    else yield entry;
  }
  while (waiting.length > 0) yield* withContent(list, waiting.pop()!);
}

function* withContent(list: Pick<FileList, "children">, directory: FileEntry): Generator<FileEntry> {
  yield directory;
  yield* inKeyOrder(list, directory.path);
}
