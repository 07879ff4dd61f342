/** node:fs's bigint stat as the Stat of the Os port. */
import type { BigIntStats } from "node:fs";
import type { NodeKind, Stat } from "../../core/index.ts";

const NANOS = 1_000_000_000n;
const TYPE_MASK = 0o170000;
const KIND_OF_TYPE: ReadonlyMap<number, NodeKind> = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
  [0o020000, "character"],
  [0o060000, "block"],
]);

export function statOf(stats: BigIntStats): Stat {
  const mode = Number(stats.mode);
  const kind = KIND_OF_TYPE.get(mode & TYPE_MASK) ?? "file";
  const [mtimeSeconds, mtimeNanos] = splitNanos(stats.mtimeNs);
  const [ctimeSeconds, ctimeNanos] = splitNanos(stats.ctimeNs);
  const [btimeSeconds, btimeNanos] = splitNanos(stats.birthtimeNs);
  return {
    kind,
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    sizeBytes: Number(stats.size),
    linkCount: Number(stats.nlink),
    inode: Number(stats.ino),
    device: deviceOf(stats.dev),
    rdev: kind === "character" || kind === "block" ? deviceOf(stats.rdev) : 0,
    allocatedBytes: Math.ceil(Number(stats.blocks) / 8) * 4096, // Blocks of 512 bytes; counted in 4 KiB, as listings have it.
    mtimeSeconds,
    mtimeNanos,
    ctimeSeconds,
    ctimeNanos,
    btimeSeconds,
    btimeNanos,
  };
}

/** Floors, so that nanoseconds count upwards before 1970 too. */
function splitNanos(nanos: bigint): [seconds: number, nanos: number] {
  const rest = ((nanos % NANOS) + NANOS) % NANOS;
  return [Number((nanos - rest) / NANOS), Number(rest)];
}

/** glibc's dev_t (sysmacros.h): major in bits 8-19 and 32-63, minor in bits 0-7 and 20-31; here major × 2^20 + minor. */
function deviceOf(dev: bigint): number {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return Number(major * 1_048_576n + minor);
}
