/**
 * What a directory is, written down by path, and what the product answers about it in the same form: two records that can be compared,
 * today or after a thousand changes.
 */
import { createHash, hash } from "node:crypto";
import type { Operations } from "../../src/app/index.ts";
import type { ByteString, Os, Stat } from "../../src/core/index.ts";
import { displayOf, listingCount, listingName } from "../../src/core/index.ts";

export interface NodeFacts {
  readonly kind: Stat["kind"];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly linkTarget: string;
  /** The first path, in the order of the walk, of the same node. */
  readonly sameAs: ByteString;
  /** A hash of a file's bytes; undefined where they were not read. */
  readonly content: string | undefined;
}

/** By path relative to the top: "" is the top itself, "/a/b" lies below it. */
export type TreeRecord = ReadonlyMap<ByteString, NodeFacts>;
/** Which files are worth reading. */
export type Choice = (path: ByteString) => boolean;

const TOP = "" as ByteString;
const every: Choice = () => true;

/** The real directory. Nothing may change meanwhile. */
export function recordTree(os: Os, top: ByteString): TreeRecord {
  const record = new Map<ByteString, NodeFacts>();
  const firstPaths = new Map<string, ByteString>();
  const contents = new Map<string, string>();
  const walk = (path: ByteString): void => {
    const absolute = `${top}${path}` as ByteString;
    const stat = os.lstat(absolute);
    const inode = `${stat.device}/${stat.inode}`;
    if (!firstPaths.has(inode)) firstPaths.set(inode, path);
    const sameAs = firstPaths.get(inode)!;
    if (stat.kind === "file" && !contents.has(inode)) contents.set(inode, contentHash(os, absolute, stat.sizeBytes));
    const linkTarget = stat.kind === "symlink" ? os.readlink(absolute) : "";
    record.set(path, { ...factsOf(stat, linkTarget), sameAs, content: contents.get(inode) });
    if (stat.kind !== "directory") return;
    const listing = os.listDirectory(absolute);
    for (let i = 0; i < listingCount(listing); i++) walk(`${path}/${listingName(listing, i)}` as ByteString);
  };
  walk(TOP);
  return record;
}

/** What the product says the directory was. Files that `isRead` chooses are read whole. */
export async function recordAnswers(operations: Operations, top: ByteString, revision: number, isRead: Choice = every): Promise<TreeRecord> {
  const at = { kind: "revision", revision } as const;
  const record = new Map<ByteString, NodeFacts>();
  const firstPaths = new Map<number, ByteString>();
  const contents = new Map<number, string>();
  const { entry: topEntry } = await operations.stat({ path: top, at });
  const entries = [topEntry];
  for await (const item of operations.list({ path: top, at, depthMax: Number.MAX_SAFE_INTEGER })) if (item.type === "entry") entries.push(item);
  for (const entry of entries) {
    const path = entry.path.slice(top.length) as ByteString;
    if (!firstPaths.has(entry.node)) firstPaths.set(entry.node, path);
    if (entry.kind === "file" && !contents.has(entry.node) && isRead(path)) contents.set(entry.node, await answeredHash(operations, entry.path, at));
    record.set(path, { ...factsOf(entry, entry.linkTarget), sameAs: firstPaths.get(entry.node)!, content: contents.get(entry.node) });
  }
  return record;
}

/** Differences, one a line; what one of the two did not read is not compared. */
export function recordDifferences(expected: TreeRecord, answered: TreeRecord): string[] {
  const found: string[] = [];
  for (const path of expected.keys()) if (!answered.has(path)) found.push(`'${displayOf(path)}' is missing`);
  for (const [path, facts] of answered) {
    const there = expected.get(path);
    if (there === undefined) {
      found.push(`'${displayOf(path)}' is too many`);
      continue;
    }
    for (const key of Object.keys(there) as (keyof NodeFacts)[]) {
      if (there[key] === facts[key] || there[key] === undefined || facts[key] === undefined) continue;
      found.push(`'${displayOf(path)}': ${key} is ${String(facts[key])}, not ${String(there[key])}`);
    }
  }
  return found;
}

function factsOf(stat: Omit<NodeFacts, "linkTarget" | "sameAs" | "content">, linkTarget: string): Omit<NodeFacts, "sameAs" | "content"> {
  const { kind, mode, uid, gid, mtimeSeconds, mtimeNanos } = stat;
  const sizeBytes = kind === "file" || kind === "symlink" ? stat.sizeBytes : 0;
  return { kind, mode: kind === "symlink" ? 0o777 : mode, uid, gid, sizeBytes, mtimeSeconds, mtimeNanos, linkTarget };
}

function contentHash(os: Os, path: ByteString, sizeBytes: number): string {
  const content = Buffer.alloc(sizeBytes);
  const fd = os.openRead(path);
  try {
    const readBytes = os.read(fd, content, 0);
    return hash("sha1", content.subarray(0, readBytes));
  } finally {
    os.close(fd);
  }
}

async function answeredHash(operations: Operations, path: ByteString, at: Parameters<Operations["read"]>[0]["at"]): Promise<string> {
  const digest = createHash("sha1");
  for await (const item of operations.read({ path, at })) if (item.type === "bytes") digest.update(item.bytes);
  return digest.digest("hex");
}
