/** readSmallFiles of the Os port by single calls, for where the addon is missing. */
import type { ByteString, Os, SmallFiles, Stat } from "../../core/index.ts";
import { assert, listingName, listingStat, OsError, SMALL_FILE_CHANGED, SMALL_FILE_NO_ROOM } from "../../core/index.ts";

type Reader = Pick<Os, "openRead" | "read" | "fstat" | "close">;

export function loadSmallFiles(os: Reader, directory: ByteString, listing: Buffer, indexes: Uint32Array | readonly number[], bytesMax: number): SmallFiles {
  const offsets = new Uint32Array(indexes.length);
  const lengths = new Int32Array(indexes.length).fill(SMALL_FILE_CHANGED);
  const parts: Buffer[] = [];
  let usedBytes = 0;
  indexes.forEach((index, i) => {
    offsets[i] = usedBytes;
    const listed = listingStat(listing, index);
    if (listed?.kind !== "file") return;
    if (usedBytes + listed.sizeBytes > bytesMax) lengths[i] = SMALL_FILE_NO_ROOM;
    else {
      const bytes = readAsListed(os, `${directory}/${listingName(listing, index)}` as ByteString, listed);
      if (bytes === undefined) return;
      lengths[i] = bytes.length;
      usedBytes += parts[parts.push(bytes) - 1]?.length ?? 0;
    }
  });
  return { bytes: Buffer.concat(parts), offsets, lengths };
}

/** The file's bytes, or undefined where it is no longer what was listed. Other failures than the system's are bugs and pass. */
function readAsListed(os: Reader, path: ByteString, listed: Stat): Buffer | undefined {
  try {
    const fd = os.openRead(path);
    try {
      const bytes = Buffer.allocUnsafe(listed.sizeBytes);
      const count = os.read(fd, bytes, 0);
      return count === listed.sizeBytes && isSameVersion(os.fstat(fd), listed) ? bytes : undefined;
    } finally {
      os.close(fd);
    }
  } catch (error) {
    assert(error instanceof OsError, `reading a file fails with an OsError only, not with ${String(error)}`);
    return undefined;
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
