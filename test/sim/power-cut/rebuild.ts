/**
 * Rebuilds the recorded files as a disk could hold them after a power cut: everything that a sync made durable, and of what was
 * written since a random part, torn at sectors. The record's layout is in shim.c.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const HEADER_BYTES = 36;
const SECTOR_BYTES = 512;
const KIND = { open: 1, write: 2, sync: 3, truncate: 4, punch: 5, rename: 6, unlink: 7 } as const;

interface LogRecord {
  readonly kind: number;
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly start: number;
  readonly data: Buffer;
}

/** Every record of a log; a record cut short at the end (the writer was killed) ends it. */
export function readLog(path: string): LogRecord[] {
  const log = readFileSync(path);
  const records: LogRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    if (log.toString("latin1", at, at + 4) !== "RBWS") throw new Error(`no record at ${at} of ${path}`);
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

/** Indexes just after which the power may go: every sync. */
export function cutPoints(records: readonly LogRecord[]): number[] {
  return records.flatMap((record, i) => (record.kind === KIND.sync ? [i + 1] : []));
}

export interface Cut {
  /** Records before it took effect. */
  readonly at: number;
  /** 0 <= random() < 1: which unsynced writes reached the disk, and where they tore. */
  readonly random: () => number;
}

/** Writes the files as of the cut below `target`, by the path they were opened under relative to `root`. */
export function rebuild(records: readonly LogRecord[], cut: Cut, root: string, target: string): void {
  const durableBefore = new Map<number, number>();
  const paths = new Map<number, string>();
  for (const record of records.slice(0, cut.at)) {
    if (record.kind === KIND.sync) durableBefore.set(record.file, Math.max(durableBefore.get(record.file) ?? 0, record.start));
    if (record.kind === KIND.open) paths.set(record.file, record.data.toString());
    if (record.kind === KIND.rename) follow(paths, record.data.toString());
    if (record.kind === KIND.unlink) forget(paths, record.data.toString());
  }
  for (const [file, path] of paths) {
    if (basename(path).endsWith("-lock")) continue; // LMDB's reader table means nothing after a restart.
    const place = join(target, path.slice(root.length));
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    const fd = openSync(place, "w+", 0o600);
    replay(records, file, durableBefore.get(file) ?? 0, cut, fd);
    closeSync(fd);
  }
}

function replay(records: readonly LogRecord[], file: number, durable: number, cut: Cut, fd: number): void {
  const lost = cut.random(); // Some cuts lose nearly all of what was not synced, some nearly nothing.
  for (let i = 0; i < cut.at; i++) {
    const record = records[i]!;
    if (record.file !== file) continue;
    if (record.kind === KIND.write) write(fd, record, i < durable ? undefined : { lost, random: cut.random });
    else if (i >= durable && cut.random() < lost) continue;
    else if (record.kind === KIND.truncate) ftruncateSync(fd, record.offset);
    else if (record.kind === KIND.punch) writeSync(fd, Buffer.alloc(Number(record.data.readBigUInt64LE(0))), 0, undefined, record.offset);
  }
}

/** A write that was not synced reaches the disk whole, not at all, or in some of its sectors. */
function write(fd: number, record: LogRecord, fate: { readonly lost: number; readonly random: () => number } | undefined): void {
  if (fate === undefined) {
    writeSync(fd, record.data, 0, record.length, record.offset);
    return;
  }
  const torn = fate.random() < 0.3;
  if (!torn && fate.random() < fate.lost) return;
  for (let at = 0; at < record.length; ) {
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
