/** A mirror's file list as its tree has it, at any instant: a view whose one root is "/". */
import { MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import type { NodeRecord, View } from "../view.ts";
import type { FileEntry, FileList } from "./file-list.ts";

/** The mirror's root by the names of both sides. */
export const ROOT_PATH = "." as ByteString;
export const ROOT_NAME = "/" as ByteString;
const DEPTH_MAX = 2048; // A path has 4,096 bytes; a damaged tree must not hold us in a circle.
const DIRECTORIES_KEPT = 1000; // Of which the nodes are known: lists are read directory by directory.

export class TreeFileList implements FileList {
  readonly revision: Revision;
  private readonly view: View;
  private readonly directories = new Map<ByteString, NodeId>();

  /** Takes the view over. */
  constructor(view: View) {
    this.view = view;
    this.revision = view.revision;
  }

  entry(path: ByteString): FileEntry | undefined {
    const node = this.nodeOf(path);
    const record = node === undefined ? undefined : this.view.node(node);
    return record === undefined ? undefined : entryOf(path, record);
  }

  *children(path: ByteString): IterableIterator<FileEntry> {
    const node = this.directory(path);
    if (node === undefined) return;
    const prefix = path === ROOT_PATH ? "" : `${path}/`;
    for (const { name, node: child } of this.view.list(node)) {
      const record = this.view.node(child);
      if (record !== undefined) yield entryOf((prefix + name) as ByteString, record);
    }
  }

  close(): void {
    this.view.close();
  }

  private nodeOf(path: ByteString): NodeId | undefined {
    const { parent, name } = splitPath(path);
    const above = parent === undefined ? MACHINE_NODE : this.directory(parent);
    return above === undefined ? undefined : this.view.lookup(above, name)?.node;
  }

  private directory(path: ByteString): NodeId | undefined {
    const known = this.directories.get(path);
    if (known !== undefined) return known;
    const { parent, name } = splitPath(path);
    const above = parent === undefined ? MACHINE_NODE : this.directory(parent);
    const found = above === undefined ? undefined : this.view.lookup(above, name);
    if (found?.kind !== "directory") return undefined;
    if (this.directories.size >= DIRECTORIES_KEPT) this.directories.clear();
    this.directories.set(path, found.node);
    return found.node;
  }
}

/** The directory above (undefined: it is the root) and the name there. */
export function splitPath(path: ByteString): { readonly parent: ByteString | undefined; readonly name: ByteString } {
  if (path === ROOT_PATH) return { parent: undefined, name: ROOT_NAME };
  const slash = path.lastIndexOf("/");
  return slash === -1 ? { parent: ROOT_PATH, name: path } : { parent: path.slice(0, slash) as ByteString, name: path.slice(slash + 1) as ByteString };
}

function entryOf(path: ByteString, { node, kind, attributes, sizeBytes, linkTarget, rdev, mirrored }: NodeRecord): FileEntry {
  const { mode, mtimeSeconds, mtimeNanos } = attributes;
  const ofFile = kind === "file" ? sizeBytes : 0;
  return { node, path, kind, mode, sizeBytes: ofFile, mtimeSeconds, mtimeNanos, linkTarget, rdev, digest: mirrored?.digest, place: mirrored?.place };
}

/** The path of a node of a mirror; undefined where it leads nowhere. */
export function pathOfNode(view: View, record: NodeRecord): ByteString | undefined {
  const parts: string[] = [];
  for (let at: NodeRecord | undefined = record; at !== undefined && parts.length <= DEPTH_MAX;) {
    const up = at.names[0];
    if (up === undefined) return undefined;
    if (up.parent === MACHINE_NODE) return (parts.length === 0 ? ROOT_PATH : parts.reverse().join("/")) as ByteString;
    parts.push(up.name);
    at = view.node(up.parent);
  }
  return undefined;
}
