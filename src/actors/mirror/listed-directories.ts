/**
 * What a session lists, one directory at a time. With incremental recursion a list is a directory, and it is forgotten when it was
 * compared; without it the one list has all of them, which the session holds in memory anyhow.
 */
import type { ByteString } from "../../core/index.ts";
import type { Entry } from "../../rsync/index.ts";

/** An entry with the index by which its content is asked for. */
export interface Listed {
  readonly index: number;
  readonly entry: Entry;
}

export interface ListedDirectory {
  readonly path: ByteString;
  /** In byte order of names, whatever their kind. */
  readonly listed: readonly Listed[];
}

/** The root of what is mirrored. */
export const ROOT = "." as ByteString;

/** The directory that a path lies in. */
export function parentOf(path: ByteString): ByteString {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? ROOT : (path.slice(0, slash) as ByteString);
}

export class ListedDirectories {
  /** The root itself, which is first of all. */
  root: Entry | undefined;
  private readonly isIncremental: boolean;
  private gathered = new Map<ByteString, Listed[]>();
  private current: Listed[] = [];

  constructor(isIncremental: boolean) {
    this.isIncremental = isIncremental;
  }

  add(listed: Listed): void {
    const { path, kind } = listed.entry;
    if (path === ROOT) {
      this.root = listed.entry;
      return;
    }
    if (this.isIncremental) {
      this.current.push(listed);
      return;
    }
    const parent = parentOf(path);
    const siblings = this.gathered.get(parent);
    if (siblings === undefined) this.gathered.set(parent, [listed]);
    else siblings.push(listed);
    // Behind its parent: what stands in its way there goes first. One that is empty was listed, too.
    if (kind === "directory" && !listed.entry.hasNoContent && !this.gathered.has(path)) this.gathered.set(path, []);
  }

  /** The directories that are complete with the end of this list (of `directory`; undefined: the first one). */
  take(directory: ByteString | undefined): ListedDirectory[] {
    if (this.isIncremental) {
      const listed = this.current;
      this.current = [];
      return [{ path: directory ?? ROOT, listed: inByteOrder(listed) }];
    }
    const all = this.gathered;
    this.gathered = new Map();
    if (this.root !== undefined && !all.has(ROOT)) all.set(ROOT, []);
    return [...all].map(([path, listed]) => ({ path, listed: inByteOrder(listed) }));
  }
}

/** A list has what is no directory first, and directories as if their names ended in a slash: two runs that are nearly sorted. */
function inByteOrder(listed: Listed[]): Listed[] {
  for (let i = 1; i < listed.length; i++) {
    if (listed[i - 1]!.entry.path < listed[i]!.entry.path) continue;
    return listed.sort((a, b) => (a.entry.path < b.entry.path ? -1 : a.entry.path > b.entry.path ? 1 : 0));
  }
  return listed;
}
