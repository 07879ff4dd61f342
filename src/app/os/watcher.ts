/** The Watcher port on the addon's inotify handle. */
import type { ByteString, Watcher, WatchEvent } from "../../core/index.ts";
import { OsError } from "../../core/index.ts";
import type { AddonWatcher, Status } from "./addon.ts";
import { errnoName } from "./failure.ts";

const RECORD_BYTES = 16; // native/core/inotify-events.hh

export class NativeWatcher implements Watcher {
  readonly isExact = true;
  readonly #handle: AddonWatcher;

  constructor(handle: AddonWatcher) {
    this.#handle = handle;
  }

  add(path: ByteString): number {
    return checkWatch(this.#handle.add(path), "watch", path);
  }

  /** A watch that the kernel has already dropped, as its directory is gone, is no news. */
  remove(watch: number): void {
    const status = this.#handle.remove(watch);
    if (status < 0 && errnoName(-status) !== "EINVAL") checkWatch(status, "unwatch", "" as ByteString);
  }

  drain(): WatchEvent[] {
    const records = this.#handle.drain();
    return typeof records === "number" ? (checkWatch(records, "read events", "" as ByteString), []) : decodeEvents(records);
  }

  onReadable(callback: () => void): void {
    checkWatch(this.#handle.onReadable(callback), "watch", "" as ByteString);
  }

  close(): void {
    this.#handle.close();
  }
}

function checkWatch(status: Status, operation: string, path: ByteString): number {
  if (status < 0) throw new OsError(errnoName(-status), operation, path);
  return status;
}

function decodeEvents(records: Buffer): WatchEvent[] {
  const events: WatchEvent[] = [];
  for (let at = 0; at < records.length;) {
    const nameFrom = at + RECORD_BYTES;
    const end = nameFrom + records.readUInt32LE(at + 12);
    events.push({
      watch: records.readInt32LE(at),
      mask: records.readUInt32LE(at + 4),
      cookie: records.readUInt32LE(at + 8),
      name: records.toString("latin1", nameFrom, end) as ByteString,
    });
    at = end;
  }
  return events;
}
