/** Walks a directory target in the order of keys; one listing per level is held, and symlinks are named, not followed. */
import { displayOf, listingCount, listingErrno, listingName, listingStat, RainbowError } from "../../core/index.ts";
import type { ByteString, Stat } from "../../core/index.ts";
import { RESERVED_DIRECTORY } from "../keys.ts";
import { TOP_KEY } from "../object-store.ts";
import type { ObjectKind, ObjectMetadata, StoredObject } from "../object-store.ts";
import { isAbsence } from "./failures.ts";
import { placeOf } from "./tree.ts";
import type { Tree } from "./tree.ts";

/** Everything below `key`, each directory before its content. */
export function* walk(tree: Tree, key: ByteString): Generator<StoredObject> {
  for (const { name, stat } of entriesOf(tree, key)) {
    const child = (key === TOP_KEY ? name : `${key}/${name}`) as ByteString;
    if (child === RESERVED_DIRECTORY) continue;
    yield storedObject(tree, child, stat);
    if (stat.kind === "directory") yield* walk(tree, child);
  }
}

/** By name, a directory's with a slash at its end: the order that keys have in a bucket. */
function entriesOf(tree: Tree, key: ByteString): { name: ByteString; stat: Stat }[] {
  const path = tree.pathOf(key);
  const listing = tree.os.listDirectory(path);
  const entries: { name: ByteString; order: string; stat: Stat }[] = [];
  for (let index = 0; index < listingCount(listing); index++) {
    const name = listingName(listing, index);
    const stat = listingStat(listing, index);
    const errno = listingErrno(listing, index);
    if (stat === undefined && errno !== 0)
      throw new RainbowError("IO", `${displayOf(path)}/${displayOf(name)} cannot be looked at (errno ${errno})`, { errno });
    if (stat !== undefined) entries.push({ name, order: stat.kind === "directory" ? `${name}/` : name, stat });
  }
  return entries.sort((a, b) => (a.order < b.order ? -1 : 1));
}

/** `stat` is of what lies under `key`. */
export function storedObject(tree: Tree, key: ByteString, stat: Stat): StoredObject {
  const kind = kindOf(stat);
  const linkTarget = kind === "symlink" ? readlink(tree, key) : undefined;
  const { mode, mtimeSeconds, mtimeNanos } = stat;
  const metadata: ObjectMetadata | undefined =
    kind === "other" ? undefined : { kind, mode: kind === "symlink" ? 0o777 : mode, mtimeSeconds, mtimeNanos, linkTarget, digest: undefined };
  return { key, kind, sizeBytes: kind === "directory" ? 0 : stat.sizeBytes, place: placeOf(stat), metadata };
}

function readlink(tree: Tree, key: ByteString): ByteString {
  try {
    return tree.os.readlink(tree.pathOf(key));
  } catch (error) {
    if (isAbsence(error)) return "" as ByteString; // It went between the listing and this.
    throw error;
  }
}

function kindOf(stat: Stat): ObjectKind | "other" {
  return stat.kind === "file" || stat.kind === "directory" || stat.kind === "symlink" ? stat.kind : "other";
}
