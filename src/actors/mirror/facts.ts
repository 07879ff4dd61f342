/** What a listed entry is to the object store, and the fact that tells of it. */
import type { ByteString, ContentDigest, ObjectPlace } from "../../core/index.ts";
import type { ObjectMetadata } from "../../objects/index.ts";
import type { FileEntry, MirrorFact } from "../../projections/index.ts";
import type { Entry } from "../../rsync/index.ts";

/** Kinds that a mirror has, as `rsync -rlpt` does. */
export function isWantedKind(kind: Entry["kind"]): kind is "file" | "directory" | "symlink" {
  return kind === "file" || kind === "directory" || kind === "symlink";
}

/** What is stored with a path's content. */
export type Attributes = Pick<Entry, "path" | "kind" | "mode" | "mtimeSeconds" | "mtimeNanos" | "linkTarget">;

export function attributesOf(stored: FileEntry): Attributes {
  const { path, kind, mode, mtimeSeconds, mtimeNanos, linkTarget } = stored;
  return { path, kind, mode, mtimeSeconds, mtimeNanos, linkTarget: kind === "symlink" ? linkTarget : undefined };
}

export function metadataOf({ kind, mode, mtimeSeconds, mtimeNanos, linkTarget }: Attributes, digest?: ContentDigest): ObjectMetadata {
  return { kind: isWantedKind(kind) ? kind : "file", mode, mtimeSeconds, mtimeNanos, linkTarget: kind === "symlink" ? linkTarget : undefined, digest };
}

export function arrivedFact(
  entry: Attributes,
  content: { readonly sizeBytes: number; readonly digest: ContentDigest | undefined },
  place: ObjectPlace,
): MirrorFact {
  const { path, kind, mode, mtimeSeconds, mtimeNanos, linkTarget } = entry;
  if (kind === "symlink") return { type: "LinkArrived", path, linkTarget: linkTarget ?? ("" as ByteString), mode, mtimeSeconds, mtimeNanos, place };
  return { type: "FileArrived", path, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes: content.sizeBytes, rdev: 0, digest: content.digest, place };
}

export const NO_CONTENT = { sizeBytes: 0, digest: undefined } as const;

export function attributesFact({ path, mode, mtimeSeconds, mtimeNanos }: Attributes): MirrorFact {
  return { type: "AttributesSet", path, mode, mtimeSeconds, mtimeNanos };
}
