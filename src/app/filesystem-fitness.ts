/** Whether a filesystem is fit to hold a data directory, and whether it lies on a disk that it is to protect. */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BLOCK_BYTES, byteStringOf, OsError, RainbowError } from "../core/index.ts";
import type { ByteString, Os, Random } from "../core/index.ts";

/** A store needs locks, durable writes, mmap and holes that its own kernel answers for. */
const NETWORK = /^(nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|9p|ceph|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|coda|pvfs2|virtiofs|davfs|sshfs)$/;
const FUSE = /^fuse(blk|\..*)?$/;
const FAT = /^(vfat|msdos|fat|exfat|umsdos|ntfs3?|hfs|hfsplus|iso9660|udf)$/;
const PASSING = /^(tmpfs|ramfs)$/;

/** Why a filesystem of this type is unfit; undefined where it is not. */
export function whyTypeIsUnfit(type: string): string | undefined {
  if (NETWORK.test(type)) return `is a network filesystem (${type})`;
  if (FUSE.test(type)) return `is a FUSE filesystem (${type})`;
  if (FAT.test(type)) return `is a filesystem of type ${type}, without what a store needs`;
  return undefined;
}

/** Throws DATA_DIR_REFUSED where the filesystem of `path` cannot keep a store. */
export function refuseFilesystem(path: string, os: Os, random: Random): void {
  const { type, readOnly } = os.filesystem(byteStringOf(Buffer.from(path)));
  const why =
    whyTypeIsUnfit(type) ?? (readOnly ? "is mounted read-only" : undefined) ?? (canPunchHoles(path, os, random) ? undefined : "cannot punch holes into files");
  if (why === undefined) return;
  throw new RainbowError(
    "DATA_DIR_REFUSED",
    `${path}: ${why}, so Rainbow cannot keep data there; name a folder on a local disk (ext4, xfs, btrfs) with --data-dir`,
    {
      path,
      type,
      why,
    },
  );
}

export function filesystemWarnings(path: string, os: Os): string[] {
  const { type } = os.filesystem(byteStringOf(Buffer.from(path)));
  return PASSING.test(type) ? [`${path} lies in memory (${type}): what is kept there is gone after a restart`] : [];
}

/** Tries it on a file of two blocks. Without the addon no hole is ever punched, so it does not matter. */
function canPunchHoles(path: string, os: Os, random: Random): boolean {
  if (os.source === "node") return true;
  const file = byteStringOf(Buffer.from(join(path, `.probe-${random.uuid()}`)));
  const fd = os.openWrite(file, { exclusive: true, truncate: false });
  try {
    os.write(fd, Buffer.alloc(2 * BLOCK_BYTES, 1), 0);
    return os.punchHole(fd, 0, BLOCK_BYTES);
  } finally {
    os.close(fd);
    os.unlink(file);
  }
}

/** Whether a loss of one disk takes both paths along; true too where both lie on one filesystem. */
export function isOnSameDisk(a: ByteString, b: ByteString, os: Os): boolean {
  try {
    const [deviceA, deviceB] = [os.lstat(a).device, os.lstat(b).device];
    if (deviceA === deviceB) return true;
    const disks = disksUnder(deviceA);
    return disksUnder(deviceB).some((disk) => disks.includes(disk));
  } catch (error) {
    if (error instanceof OsError) return false; // One of them is not there (yet): nothing to warn of.
    throw error;
  }
}

/** The whole disks below a device number, by sysfs: partitions and device mapper are followed down. [] for what has no block device. */
function disksUnder(device: number): string[] {
  const entry = `/sys/dev/block/${Math.floor(device / 2 ** 20)}:${device % 2 ** 20}`;
  return existsSync(entry) ? wholeDisks(realpathSync(entry)) : [];
}

function wholeDisks(directory: string): string[] {
  const slaves = join(directory, "slaves");
  const below = statSync(slaves, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(slaves);
  if (below.length > 0) return below.flatMap((name) => wholeDisks(realpathSync(join(slaves, name))));
  return [basename(existsSync(join(directory, "partition")) ? dirname(directory) : directory)];
}
