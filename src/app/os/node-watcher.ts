/**
 * The Watcher port on Node's own fs.watch, a watcher per directory: hints alone. Its events come some turns later, in no order that could
 * be relied on, and where the kernel's queue overflows they are missing without a word; so whoever uses it must compare as well.
 */
import * as fs from "node:fs";
import { byteStringOf, bytesOf, OsError, WATCH } from "../../core/index.ts";
import type { ByteString, Watcher, WatchEvent } from "../../core/index.ts";
import { asOsError } from "./failure.ts";

const QUEUE_EVENTS_MAX = 65_536; // Beyond it one event says that everything must be looked at.
const OVERFLOW: WatchEvent = { watch: -1, mask: WATCH.overflow, cookie: 0, name: "" as ByteString };
/** Node tells "rename" of names that came or went, "change" of content or attributes. */
const MASK = { rename: WATCH.create | WATCH.modify, change: WATCH.modify } as const;

export class NodeWatcher implements Watcher {
  readonly isExact = false;
  readonly #watchers = new Map<number, fs.FSWatcher>();
  #events: WatchEvent[] = [];
  #isTold = false;
  #isClosed = false;
  #lastWatch = 0;
  #onReadable: () => void = () => undefined;

  add(path: ByteString): number {
    const watch = ++this.#lastWatch;
    this.#watchers.set(
      watch,
      asOsError("watch", path, () => this.#open(watch, path)),
    );
    return watch;
  }

  remove(watch: number): void {
    this.#watchers.get(watch)?.close();
    this.#watchers.delete(watch);
  }

  drain(): WatchEvent[] {
    const events = this.#events;
    this.#events = [];
    this.#isTold = false;
    return events;
  }

  onReadable(callback: () => void): void {
    this.#onReadable = callback;
  }

  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #open(watch: number, path: ByteString): fs.FSWatcher {
    if (!fs.lstatSync(bytesOf(path)).isDirectory()) throw new OsError("ENOTDIR", "watch", path);
    try {
      const note: fs.WatchListener<Buffer> = (kind, name) => this.#note(watch, MASK[kind], name);
      const watcher = fs.watch(bytesOf(path), { persistent: false, encoding: "buffer" }, note);
      watcher.on("error", () => this.#lost(watch));
      return watcher;
    } catch (error) {
      // Out of instances is as out of watches: the directory is compared instead.
      if (error instanceof Error && "code" in error && error.code === "EMFILE") throw new OsError("ENOSPC", "watch", path);
      throw error;
    }
  }

  /** The directory is gone, as far as anybody can tell. */
  #lost(watch: number): void {
    this.remove(watch);
    this.#push({ watch, mask: WATCH.ignored | WATCH.deleteSelf, cookie: 0, name: "" as ByteString });
  }

  #note(watch: number, mask: number, name: Buffer | null): void {
    if (!this.#watchers.has(watch)) return;
    this.#push({ watch, mask, cookie: 0, name: name === null ? ("" as ByteString) : byteStringOf(name) });
  }

  #push(event: WatchEvent): void {
    if (this.#isClosed) return;
    const last = this.#events.at(-1);
    const isSame = last?.watch === event.watch && last.name === event.name && last.mask === event.mask;
    if (!isSame) this.#events.push(event);
    if (this.#events.length > QUEUE_EVENTS_MAX) this.#events = [OVERFLOW];
    if (this.#isTold) return;
    this.#isTold = true;
    this.#onReadable();
  }
}
