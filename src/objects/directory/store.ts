/** The ObjectStore over a plain tree of files. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { assert, bytesOf, displayOf, listingCount, listingName, RainbowError } from "../../core/index.ts";
import type { ByteString, Os, Random, Stat } from "../../core/index.ts";
import { RESERVED_DIRECTORY } from "../keys.ts";
import { TOP_KEY } from "../object-store.ts";
import type {
  FailedDeletion,
  ListOptions,
  NewObject,
  NewUpload,
  ObjectMetadata,
  ObjectName,
  ObjectPlace,
  ObjectStore,
  ReadOptions,
  StoredObject,
  Upload,
} from "../object-store.ts";
import { breathe, openContent, pieces } from "./content.ts";
import { attempt, changed, failureOf, isAbsence, isCode, refused } from "./failures.ts";
import { storedObject, walk } from "./listing.ts";
import { placeOf, requireKind, Tree } from "./tree.ts";
import { DirectoryUpload } from "./upload.ts";

const WHOLE_BYTES_MAX = 1 << 20; // Written in one call without a pause for others: a few milliseconds at most.
const PAGE_ENTRIES = 1000;
const TOKEN = /^[0-9a-f]{32}$/;

export interface DirectoryStoreOptions {
  /** An existing directory, absolute; it may be a symlink to one. */
  readonly path: ByteString;
  readonly os: Os;
  readonly random: Random;
}

export function openDirectoryStore(options: DirectoryStoreOptions): ObjectStore {
  const { path, os } = options;
  const stat = attempt(path, () => os.lstat(`${path}/.` as ByteString));
  if (stat.kind !== "directory") throw refused(path, "is no directory");
  return new DirectoryStore(options);
}

class DirectoryStore implements ObjectStore {
  readonly address: string;
  readonly features = { keepsVersions: false, isTree: true };
  readonly wholeBytesMax = WHOLE_BYTES_MAX;
  readonly fileBytesMax = Infinity; // The filesystem's affair.
  readonly #tree: Tree;
  readonly #random: Random;
  readonly #partialDirectory: ByteString;
  /** Whole objects are written one after the other, so that one name of this store's own does for all. */
  readonly #wholePartial: ByteString;
  #settling: Promise<void> | undefined;

  constructor({ path, os, random }: DirectoryStoreOptions) {
    this.address = displayOf(path);
    this.#tree = new Tree(os, path);
    this.#random = random;
    this.#partialDirectory = `${path}/${RESERVED_DIRECTORY}` as ByteString;
    this.#wholePartial = this.#partialOf(this.#newToken());
  }

  #newToken(): string {
    return this.#random.bytes(16).toString("hex");
  }

  #partialOf(token: string): ByteString {
    assert(TOKEN.test(token), "a token is 32 hexadecimal digits");
    return `${this.#partialDirectory}/${token}` as ByteString;
  }

  async put(objects: readonly NewObject[]): Promise<ObjectPlace[]> {
    this.#tree.forget();
    this.#tree.isUnsettled = true;
    return objects.map((object) => attempt(this.#tree.pathOf(object.key), () => this.#putOne(object)));
  }

  #putOne({ key, metadata, bytes }: NewObject): ObjectPlace {
    const { os } = this.#tree;
    const path = this.#tree.pathOf(key);
    if (metadata.kind === "directory") {
      this.#tree.publishDirectory(key, metadata.mode);
      os.setTimes(path, metadata.mtimeSeconds, metadata.mtimeNanos);
      return placeOf(os.lstat(path));
    }
    const partial = this.#wholePartial;
    try {
      const stat = this.#inPartialDirectory(() =>
        metadata.kind === "symlink"
          ? this.#makeLink(partial, metadata)
          : os.makeFile(partial, { bytes, mode: metadata.mode, mtimeSeconds: metadata.mtimeSeconds, mtimeNanos: metadata.mtimeNanos }),
      );
      this.#tree.publish(partial, key);
      return placeOf(stat);
    } catch (error) {
      this.#unlinkIfThere(partial);
      throw error;
    }
  }

  #makeLink(partial: ByteString, { linkTarget, mtimeSeconds, mtimeNanos }: ObjectMetadata): Stat {
    const { os } = this.#tree;
    os.symlink(linkTarget!, partial);
    os.setTimes(partial, mtimeSeconds, mtimeNanos);
    return os.lstat(partial);
  }

  /** Makes the partial directory where `action` finds it missing. */
  #inPartialDirectory<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!isCode(error, "ENOENT")) throw error;
      this.#changingTop(() => this.#tree.os.makeDirectory(this.#partialDirectory));
      return action();
    }
  }

  /** The partial directory is no part of what is mirrored: that it comes or goes leaves the time and the mode of the tree's top as they are. */
  #changingTop(action: () => void): void {
    const { os, top } = this.#tree;
    const { mtimeSeconds, mtimeNanos } = os.lstat(`${top}/.` as ByteString);
    this.#tree.inWritableParent(RESERVED_DIRECTORY as ByteString, action);
    os.setTimes(`${top}/.` as ByteString, mtimeSeconds, mtimeNanos);
  }

  /** Whoever looks at a tree between two syncs finds what is mirrored, and nothing else unless something is unfinished. */
  #removeEmptyPartialDirectory(): void {
    try {
      if (this.#tree.lstat(this.#partialDirectory) === undefined) return;
      this.#changingTop(() => this.#tree.os.removeDirectory(this.#partialDirectory));
    } catch (error) {
      if (!isAbsence(error) && !isCode(error, "ENOTEMPTY", "EEXIST")) throw failureOf(error, this.#partialDirectory);
    }
  }

  #unlinkIfThere(path: ByteString): void {
    try {
      this.#tree.os.unlink(path);
    } catch (error) {
      if (!isAbsence(error)) throw failureOf(error, path);
    }
  }

  async begin({ key }: NewUpload): Promise<Upload> {
    const token = this.#newToken();
    const partial = this.#partialOf(token);
    const path = this.#tree.pathOf(key);
    const fd = attempt(path, () => this.#inPartialDirectory(() => this.#tree.os.openWrite(partial, { exclusive: true, truncate: false })));
    this.#tree.isUnsettled = true;
    return new DirectoryUpload({ tree: this.#tree, key, token, partial, fd, writtenBytes: 0 });
  }

  async resume(token: string, { key }: NewUpload, bytesMax = Infinity): Promise<Upload | undefined> {
    const partial = this.#partialOf(token);
    this.#tree.pathOf(key);
    return attempt(partial, () => {
      const stat = this.#tree.lstat(partial);
      if (stat?.kind !== "file") return undefined;
      const fd = this.#tree.os.openWrite(partial, { exclusive: false, truncate: false });
      this.#tree.isUnsettled = true;
      const writtenBytes = Math.min(stat.sizeBytes, bytesMax);
      if (writtenBytes < stat.sizeBytes) this.#tree.os.truncate(fd, writtenBytes);
      return new DirectoryUpload({ tree: this.#tree, key, token, partial, fd, writtenBytes });
    });
  }

  async abortUnfinished(spared: ReadonlySet<string>): Promise<number> {
    const names = attempt(this.#partialDirectory, () => this.#partialNames()).filter((name) => TOKEN.test(name) && !spared.has(name));
    for (const name of names) this.#unlinkIfThere(this.#partialOf(name));
    return names.length;
  }

  #partialNames(): ByteString[] {
    if (this.#tree.lstat(this.#partialDirectory) === undefined) return [];
    const listing = this.#tree.os.listDirectory(this.#partialDirectory);
    return Array.from({ length: listingCount(listing) }, (_, index) => listingName(listing, index));
  }

  async head({ key }: ObjectName): Promise<StoredObject | undefined> {
    const path = this.#tree.pathOf(key);
    try {
      this.#tree.forget();
      this.#tree.enterParentOf(key, "refuse");
      const stat = this.#tree.lstat(path);
      return stat === undefined ? undefined : storedObject(this.#tree, key, stat);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw failureOf(error, path);
    }
  }

  async *read(key: ByteString, { range, place }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const content = openContent(this.#tree, key, place);
    try {
      yield* pieces(this.#tree, content, range ?? { offsetBytes: 0, lengthBytes: content.stat.sizeBytes });
    } finally {
      this.#tree.os.close(content.fd);
    }
  }

  async *list({ below = TOP_KEY }: ListOptions = {}): AsyncIterable<StoredObject[]> {
    const path = this.#tree.pathOf(below);
    let page: StoredObject[] = [];
    try {
      this.#tree.forget();
      this.#tree.enterParentOf(below, "refuse");
      for (const object of walk(this.#tree, below)) {
        page.push(object);
        if (page.length < PAGE_ENTRIES) continue;
        yield page;
        page = [];
        await breathe();
      }
    } catch (error) {
      if (!isAbsence(error)) throw failureOf(error, path);
    }
    if (page.length > 0) yield page;
  }

  async copy(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    const content = openContent(this.#tree, from, place);
    const lengthBytes = content.stat.sizeBytes;
    this.#tree.os.close(content.fd);
    const upload = await this.begin({ key: to, metadata, sizeBytes: lengthBytes });
    try {
      await upload.copyFrom(from, place, { offsetBytes: 0, lengthBytes });
      return await upload.complete(metadata);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  async setMetadata(key: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    const { os } = this.#tree;
    const path = this.#tree.pathOf(key);
    this.#tree.forget();
    return attempt(path, () => {
      this.#tree.enterParentOf(key, "refuse");
      const stat = requireKind(this.#tree.lstat(path), metadata.kind, path);
      if (metadata.kind === "symlink" && os.readlink(path) !== metadata.linkTarget) throw changed(path, "leads elsewhere");
      if (metadata.kind !== "symlink" && stat.mode !== metadata.mode) os.chmod(path, metadata.mode);
      os.setTimes(path, metadata.mtimeSeconds, metadata.mtimeNanos);
      this.#tree.isUnsettled = true;
      return placeOf(stat);
    });
  }

  async delete(names: readonly ObjectName[]): Promise<FailedDeletion[]> {
    const failed: FailedDeletion[] = [];
    this.#tree.forget();
    this.#tree.isUnsettled = true;
    for (const name of names) {
      const path = this.#tree.pathOf(name.key);
      try {
        this.#deleteOne(name, path);
      } catch (error) {
        failed.push({ ...name, error: failureOf(error, path) });
      }
    }
    return failed;
  }

  /** What has another kind than named is not what was to go, and stays. */
  #deleteOne({ key, kind }: ObjectName, path: ByteString): void {
    try {
      this.#tree.enterParentOf(key, "refuse");
      if (kind === "directory") this.#tree.removeDirectory(key);
      else this.#tree.inWritableParent(key, () => this.#tree.os.unlink(path));
    } catch (error) {
      if (!isAbsence(error) && !isCode(error, "EISDIR")) throw error;
    }
  }

  async settle(): Promise<void> {
    // What one that runs has begun with is not all that is to be settled now.
    while (this.#settling !== undefined) await this.#settling.catch(() => undefined); // Whoever began it is told.
    if (!this.#tree.isUnsettled) return;
    this.#settling = this.#settleNow();
    try {
      await this.#settling;
    } finally {
      this.#settling = undefined;
    }
  }

  async #settleNow(): Promise<void> {
    this.#removeEmptyPartialDirectory();
    this.#tree.isUnsettled = false;
    try {
      await syncFilesystem(this.#tree.top);
    } catch (error) {
      this.#tree.isUnsettled = true;
      const why = error instanceof Error ? error.message : String(error);
      throw new RainbowError("IO", `the filesystem of ${this.address} could not be synced: ${why}`, { path: this.address, operation: "sync" }, error);
    }
  }

  async close(): Promise<void> {
    this.#removeEmptyPartialDirectory();
  }
}

/** By sync(1), which calls syncfs(2): one call for many files, where an fsync of each would cost a commit of the filesystem each. */
async function syncFilesystem(path: ByteString): Promise<void> {
  const directory = openSync(bytesOf(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // The child gets the directory itself, as its descriptor 3: a name need not be text, and an argument must.
    const child = spawn("sync", ["--file-system", "/dev/fd/3"], { stdio: ["ignore", "ignore", "pipe", directory] });
    const why = await problemOf(child);
    if (why !== "") throw new Error(why);
  } finally {
    closeSync(directory);
  }
}

/** Why the child failed, in its own words; "" where it did not. */
function problemOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => (said = (said + bytes.toString()).slice(0, 500)));
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(code === 0 ? "" : said.trim() || `sync ended with ${code}`));
  });
}
