/**
 * The paths of a directory target. Every step from its top to a key must be a real directory: a symlink on the way is refused, never
 * followed, whoever put it there. That is looked up again for each call of the store, so that what changes between two calls is seen.
 */
import type { ByteString, Os, Stat } from "../../core/index.ts";
import { checkKey, parentKey } from "../keys.ts";
import { TOP_KEY } from "../object-store.ts";
import type { ObjectPlace } from "../object-store.ts";
import { changed, isCode, refused } from "./failures.ts";

/** What rsync gives directories that no list entry describes, under the usual umask. */
const IMPLIED_MODE = 0o755;
const SEARCH_AND_WRITE = 0o300;

export class Tree {
  readonly os: Os;
  readonly top: ByteString;
  /** Something was done since the filesystem was synced last. */
  isUnsettled = false;
  /** Directories that this call has seen to be real. */
  readonly #seen = new Set<ByteString>();

  constructor(os: Os, top: ByteString) {
    this.os = os;
    this.top = top;
  }

  /** To be called first in each call of the store. */
  forget(): void {
    this.#seen.clear();
  }

  pathOf(key: ByteString): ByteString {
    checkKey(key);
    return this.#join(key);
  }

  #join(key: ByteString): ByteString {
    return key === TOP_KEY ? this.top : (`${this.top}/${key}` as ByteString);
  }

  /** Walks to the directory that holds `key`; makes what is missing, or throws OBJECT_CHANGED. */
  enterParentOf(key: ByteString, missing: "make" | "refuse"): void {
    if (key !== TOP_KEY) this.#enter(parentKey(key), missing);
  }

  #enter(directory: ByteString, missing: "make" | "refuse"): void {
    if (directory === TOP_KEY || this.#seen.has(directory)) return;
    this.#enter(parentKey(directory), missing);
    const path = this.#join(directory);
    const stat = this.lstat(path);
    if (stat === undefined) {
      if (missing === "refuse") throw changed(path, "is not there");
      this.inWritableParent(directory, () => this.os.makeDirectory(path));
      this.os.chmod(path, IMPLIED_MODE);
    } else if (stat.kind !== "directory") {
      throw refused(path, `is a ${stat.kind}, where the mirror needs a directory; what lies behind it is left alone`);
    }
    this.#seen.add(directory);
  }

  lstat(path: ByteString): Stat | undefined {
    try {
      return this.os.lstat(path);
    } catch (error) {
      if (isCode(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }

  /** As rsync does it: a directory whose owner may not write is opened for the moment, and gets its mode back. */
  inWritableParent<T>(key: ByteString, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!isCode(error, "EACCES")) throw error;
      const parent = this.#join(parentKey(key));
      const { mode } = this.os.lstat(parent);
      if ((mode & SEARCH_AND_WRITE) === SEARCH_AND_WRITE) throw error;
      this.os.chmod(parent, mode | SEARCH_AND_WRITE);
      try {
        return action();
      } finally {
        this.os.chmod(parent, mode);
      }
    }
  }

  /** Puts a finished file or symlink in its place, over what was there. A directory there must be empty. */
  publish(partial: ByteString, key: ByteString): void {
    const path = this.#join(key);
    this.enterParentOf(key, "make");
    try {
      this.inWritableParent(key, () => this.os.rename(partial, path));
    } catch (error) {
      if (isCode(error, "EXDEV")) throw refused(path, "lies on another filesystem than the top of the target; mirror into each by itself", error);
      if (!isCode(error, "EISDIR", "ENOTEMPTY", "EEXIST")) throw error;
      this.inWritableParent(key, () => this.#removeEmpty(path));
      this.inWritableParent(key, () => this.os.rename(partial, path));
    }
  }

  #removeEmpty(path: ByteString): void {
    try {
      this.os.removeDirectory(path);
      this.#seen.clear();
    } catch (error) {
      if (isCode(error, "ENOTEMPTY", "EEXIST")) throw refused(path, "is a directory that is not empty; it must go before something else takes its name", error);
      throw error;
    }
  }

  /** Makes a directory under `key`; a file or symlink in its place goes. */
  publishDirectory(key: ByteString, mode: number): void {
    const path = this.#join(key);
    this.enterParentOf(key, "make");
    try {
      this.inWritableParent(key, () => this.os.makeDirectory(path));
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
      if (this.os.lstat(path).kind !== "directory") {
        this.inWritableParent(key, () => this.os.unlink(path));
        this.inWritableParent(key, () => this.os.makeDirectory(path));
      }
    }
    this.os.chmod(path, mode);
  }

  removeDirectory(key: ByteString): void {
    this.inWritableParent(key, () => this.#removeEmpty(this.#join(key)));
  }
}

/** The inode and when it was born: another file under the same name has others, a new mode or time changes neither. */
export function placeOf(stat: Stat): ObjectPlace {
  const size = stat.kind === "directory" ? 0 : stat.sizeBytes;
  return { version: undefined, etag: `${stat.inode}-${stat.btimeSeconds}.${stat.btimeNanos}-${size}` };
}

export function requireKind(stat: Stat | undefined, kind: string, path: ByteString): Stat {
  if (stat === undefined) throw changed(path, "is not there");
  if (stat.kind !== kind) throw changed(path, `is a ${stat.kind}, no ${kind}`);
  return stat;
}
