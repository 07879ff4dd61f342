/** readSmallFiles of the Os port by single calls, for where the addon is missing. */
import type { ByteString, Os, SmallFiles, Stat } from "../../core/index.ts";
import { assert, listingName, listingStat, OsError, SMALL_FILE_CHANGED, SMALL_FILE_NO_ROOM } from "../../core/index.ts";

type Reader = Pick<Os, "openRead" | "read" | "fstat" | "close">;

export function loadSmallFiles(os: Reader, directory: ByteString, listing: Buffer, indexes: Uint32Array | readonly number[], into: Buffer): SmallFiles {
  const offsets = new Uint32Array(indexes.length);
  const lengths = new Int32Array(indexes.length).fill(SMALL_FILE_CHANGED);
  let usedBytes = 0;
  indexes.forEach((index, i) => {
    offsets[i] = usedBytes;
    const listed = listingStat(listing, index);
    if (listed?.kind !== "file") return;
    if (usedBytes + listed.sizeBytes > into.length) lengths[i] = SMALL_FILE_NO_ROOM;
    else {
      const place = into.subarray(usedBytes, usedBytes + listed.sizeBytes);
      if (!readAsListed(os, `${directory}/${listingName(listing, index)}` as ByteString, listed, place)) return;
      lengths[i] = place.length;
      usedBytes += place.length;
    }
  });
  return { bytes: into.subarray(0, usedBytes), offsets, lengths };
}

/** Reads the file's bytes; false where it is no longer what was listed. Other failures than the system's are bugs and pass. */
function readAsListed(os: Reader, path: ByteString, listed: Stat, into: Buffer): boolean {
  try {
    const fd = os.openRead(path);
    try {
      return os.read(fd, into, 0) === into.length && isSameVersion(os.fstat(fd), listed);
    } finally {
      os.close(fd);
    }
  } catch (error) {
    assert(error instanceof OsError, `reading a file fails with an OsError only, not with ${String(error)}`);
    return false;
  }
}

function isSameVersion(now: Stat, listed: Stat): boolean {
  return (
    now.inode === listed.inode &&
    now.sizeBytes === listed.sizeBytes &&
    now.mtimeSeconds === listed.mtimeSeconds &&
    now.mtimeNanos === listed.mtimeNanos &&
    now.ctimeSeconds === listed.ctimeSeconds &&
    now.ctimeNanos === listed.ctimeNanos
  );
}
