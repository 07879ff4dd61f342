/**
 * Rebuilds the recorded files as a disk could hold them after a power cut: everything that a sync made durable, and of what was
 * written since a random part, torn at sectors. The record's layout is in shim.c.
 */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const HEADER_BYTES = 36;
const SECTOR_BYTES = 512;
export const KIND = { open: 1, write: 2, sync: 3, truncate: 4, punch: 5, rename: 6, unlink: 7 } as const;

export interface LogRecord {
  readonly kind: number;
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly start: number;
  readonly data: Buffer;
}

export interface Cut {
  /** Records before it took effect. */
  readonly at: number;
  /** 0 <= random() < 1: which unsynced writes reached the disk, and where they tore. */
  readonly random: () => number;
}

export class Recording {
  readonly records: readonly LogRecord[];
  private readonly root: string;
  private readonly byFile: ReadonlyMap<number, readonly number[]>;

  /** `root` is the folder that was recorded. A record cut short at the end (the writer was killed) ends the log. */
  constructor(log: string, root: string) {
    this.records = parse(readFileSync(log));
    this.root = root;
    this.byFile = Map.groupBy(this.records.keys(), (i) => this.records[i]!.file);
  }

  /** How many records a log of this length held whole. */
  countAt(logBytes: number): number {
    let bytes = 0;
    const past = this.records.findIndex((record) => (bytes += HEADER_BYTES + record.data.length) > logBytes);
    return past < 0 ? this.records.length : past;
  }

  /** Text lines written to one small file, with the index of the record that brought each. */
  lines(name: string): { readonly at: number; readonly line: string }[] {
    const path = join(this.root, name);
    const file = this.records.find((record) => record.kind === KIND.open && record.data.toString() === path)?.file;
    const writes = [...this.records.entries()].filter(([, record]) => record.kind === KIND.write && record.file === file);
    return writes.map(([at, record]) => ({ at, line: record.data.toString().trimEnd() }));
  }

  /** Writes the files as of the cut over what lies below `target` (a copy of what was there before the recording), by their path below the root. */
  rebuild(cut: Cut, target: string): void {
    const durableBefore = new Map<number, number>();
    const paths = new Map<number, string>();
    for (const record of this.records.slice(0, cut.at)) {
      if (record.kind === KIND.sync) durableBefore.set(record.file, Math.max(durableBefore.get(record.file) ?? 0, record.start));
      if (record.kind === KIND.open) paths.set(record.file, record.data.toString());
      if (record.kind === KIND.rename) follow(paths, record.data.toString());
      if (record.kind === KIND.unlink) forget(paths, record.data.toString());
    }
    for (const [file, path] of paths) {
      if (basename(path).endsWith("-lock")) continue; // LMDB's reader table means nothing after a restart.
      const place = join(target, path.slice(this.root.length));
      mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
      const fd = openSync(place, existsSync(place) ? "r+" : "w+", 0o600);
      this.replay(file, durableBefore.get(file) ?? 0, cut, fd);
      closeSync(fd);
    }
  }

  private replay(file: number, durable: number, cut: Cut, fd: number): void {
    const lost = cut.random(); // Some cuts lose nearly all of what was not synced, some nearly nothing.
    for (const i of this.byFile.get(file) ?? []) {
      if (i >= cut.at) break;
      const record = this.records[i]!;
      if (record.kind === KIND.write) write(fd, record, i < durable ? undefined : { lost, random: cut.random });
      else if (i >= durable && cut.random() < lost) continue;
      else if (record.kind === KIND.truncate) ftruncateSync(fd, record.offset);
      else if (record.kind === KIND.punch) writeSync(fd, Buffer.alloc(Number(record.data.readBigUInt64LE(0))), 0, undefined, record.offset);
    }
  }
}

function parse(log: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= log.length;) {
    if (log.toString("latin1", at, at + 4) !== "RBWS") throw new Error(`no record at ${at} of the log`);
    const kind = log[at + 4]!;
    const length = Number(log.readBigUInt64LE(at + 20));
    const dataBytes = kind === KIND.sync || kind === KIND.truncate ? 0 : length;
    const end = at + HEADER_BYTES + dataBytes;
    if (end > log.length) break;
    const [file, offset, start] = [log.readUInt32LE(at + 8), Number(log.readBigUInt64LE(at + 12)), Number(log.readBigUInt64LE(at + 28))];
    records.push({ kind, file, offset, length, start, data: log.subarray(at + HEADER_BYTES, end) });
    at = end;
  }
  return records;
}

/** A write that was not synced reaches the disk whole, not at all, or in some of its sectors. */
function write(fd: number, record: LogRecord, fate: { readonly lost: number; readonly random: () => number } | undefined): void {
  if (fate === undefined) {
    writeSync(fd, record.data, 0, record.length, record.offset);
    return;
  }
  const torn = fate.random() < 0.3;
  if (!torn && fate.random() < fate.lost) return;
  for (let at = 0; at < record.length;) {
    const sectorEnd = Math.min(record.length, at + SECTOR_BYTES - ((record.offset + at) % SECTOR_BYTES));
    if (!torn || fate.random() >= fate.lost) writeSync(fd, record.data, at, sectorEnd - at, record.offset + at);
    at = sectorEnd;
  }
}

function follow(paths: Map<number, string>, both: string): void {
  const [from, to] = both.split("\0") as [string, string];
  forget(paths, to);
  for (const [file, path] of paths) if (path === from) paths.set(file, to);
}

function forget(paths: Map<number, string>, gone: string): void {
  for (const [file, path] of paths) if (path === gone) paths.delete(file);
}
