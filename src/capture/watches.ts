/** Which directories the kernel watches for us, and what its events make dirty. Events are hints to look again, never facts. */
import { MACHINE_NODE, OsError, WATCH } from "../core/index.ts";
import type { ByteString, NodeId, Os, WatchEvent, Watcher } from "../core/index.ts";
import type { Dirt } from "./dirt.ts";
import type { Nodes } from "./memory/index.ts";

const WATCHES_MAX_PATH = "/proc/sys/fs/inotify/max_user_watches" as ByteString;
const WATCHES_MAX_DEFAULT = 8192; // Where the kernel does not say.
const WRITTEN = WATCH.modify | WATCH.closeWrite;
const ENTRIES = WATCH.create | WATCH.delete | WATCH.movedFrom | WATCH.movedTo;
const GONE = WATCH.deleteSelf | WATCH.moveSelf | WATCH.unmount;

export interface WatchOutcome {
  /** Events were lost: everything must be looked at again. */
  readonly isOverflown: boolean;
  /** A directory itself was moved, deleted or unmounted. */
  readonly isRootSuspect: boolean;
  readonly eventCount: number;
}

export class Watches {
  private readonly watcher: Watcher | undefined;
  private readonly countMax: number;
  private readonly byNode = new Map<NodeId, number>();
  private readonly byWatch = new Map<number, NodeId>();
  private readonly unwatched = new Set<NodeId>();
  /** Events that belong to Rainbow's own directory, by name. */
  private own: { readonly watch: number; readonly seen: Set<ByteString> } | undefined;
  /** fs.inotify.max_user_watches. */
  readonly kernelMax: number;

  constructor(os: Os, share: number) {
    this.watcher = os.watcher();
    this.kernelMax = readKernelMax(os);
    this.countMax = Math.floor(this.kernelMax * share);
  }

  /** Whether events tell everything, in order. Where not, they are hints, and only comparing tells. */
  get isActive(): boolean {
    return this.watcher?.isExact === true;
  }

  get isHinting(): boolean {
    return this.watcher?.isExact === false;
  }

  get unwatchedNodes(): readonly NodeId[] {
    return [...this.unwatched];
  }

  get watchedCount(): number {
    return this.byNode.size;
  }

  get unwatchedCount(): number {
    return this.unwatched.size;
  }

  has(directory: NodeId): boolean {
    return this.byNode.has(directory);
  }

  /** Whether a directory is covered: by a watch, or, over the limit, by flush and reconcile. */
  isCovered(directory: NodeId): boolean {
    return this.byNode.has(directory) || this.unwatched.has(directory);
  }

  /** Watches a directory; counts it as unwatched where the limit is used up. Throws OsError where the path cannot be watched. */
  add(directory: NodeId, path: ByteString): void {
    if (this.watcher === undefined || this.byNode.has(directory)) return;
    if (this.byNode.size >= this.countMax) return void this.unwatched.add(directory);
    try {
      const watch = this.watcher.add(path);
      const before = this.byWatch.get(watch); // The same inode under a new node: it left the tree and came back.
      if (before !== undefined) this.byNode.delete(before);
      this.byWatch.set(watch, directory);
      this.byNode.set(directory, watch);
      this.unwatched.delete(directory);
    } catch (error) {
      if (!(error instanceof OsError) || error.code !== "ENOSPC") throw error;
      this.unwatched.add(directory);
    }
  }

  remove(directory: NodeId): void {
    this.unwatched.delete(directory);
    const watch = this.byNode.get(directory);
    if (watch === undefined) return;
    this.byNode.delete(directory);
    if (this.byWatch.get(watch) !== directory) return;
    this.byWatch.delete(watch);
    this.watcher?.remove(watch);
  }

  watchOwn(path: ByteString): void {
    if (this.watcher?.isExact === true) this.own = { watch: this.watcher.add(path), seen: new Set() };
  }

  /** Whether an event about this name in Rainbow's own directory was drained. */
  takeOwn(name: ByteString): boolean {
    return this.own === undefined || this.own.seen.delete(name);
  }

  onReadable(callback: () => void): void {
    this.watcher?.onReadable(callback);
  }

  /** Marks what the queued events name as dirty. */
  drain(nodes: Nodes, dirt: Dirt): WatchOutcome {
    const events = this.watcher?.drain() ?? [];
    let isOverflown = false;
    let isRootSuspect = false;
    for (const event of events) {
      if ((event.mask & WATCH.overflow) !== 0) isOverflown = true;
      else if (this.own !== undefined && event.watch === this.own.watch) this.own.seen.add(event.name);
      else if (this.note(event, nodes, dirt)) isRootSuspect = true;
    }
    return { isOverflown, isRootSuspect, eventCount: events.length };
  }

  close(): void {
    this.watcher?.close();
  }

  /** Returns whether a watched directory itself is gone or elsewhere. */
  private note({ watch, mask, name }: WatchEvent, nodes: Nodes, dirt: Dirt): boolean {
    const directory = this.byWatch.get(watch);
    if (directory === undefined) return false;
    if ((mask & WATCH.ignored) !== 0) {
      this.byWatch.delete(watch);
      if (this.byNode.get(directory) === watch) this.byNode.delete(directory);
    }
    if (name !== "") dirt.mark(directory, name, (mask & WRITTEN) !== 0);
    if (name !== "" && (mask & ENTRIES) === 0) return false;
    const own = nodes.nameOf(directory);
    if (own !== undefined) dirt.mark(own.parent, own.name); // Its times changed, also where the entry came and went.
    if (name !== "") return false;
    return own?.parent === MACHINE_NODE || (mask & GONE) !== 0;
  }
}

function readKernelMax(os: Os): number {
  try {
    const fd = os.openRead(WATCHES_MAX_PATH);
    try {
      const bytes = Buffer.alloc(32);
      const count = Number.parseInt(bytes.toString("latin1", 0, os.read(fd, bytes, 0)), 10);
      return Number.isSafeInteger(count) && count > 0 ? count : WATCHES_MAX_DEFAULT;
    } finally {
      os.close(fd);
    }
  } catch (error) {
    if (error instanceof OsError) return WATCHES_MAX_DEFAULT;
    throw error;
  }
}
