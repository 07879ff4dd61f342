/** Reading stored files by descriptor: what is opened stays the same file, whatever happens to its name. */
import type { ByteString, Stat } from "../../core/index.ts";
import type { ByteRange, ObjectPlace } from "../object-store.ts";
import { attempt, changed, failureOf, isAbsence, isCode } from "./failures.ts";
import { placeOf } from "./tree.ts";
import type { Tree } from "./tree.ts";

/** Large enough that a call costs little beside its bytes, small enough to stay in the processor's cache. */
const PIECE_BYTES = 256 * 1024;

export interface OpenContent {
  readonly fd: number;
  readonly stat: Stat;
  readonly path: ByteString;
}

/** The file under `key`, which must still be `place` where one is given. */
export function openContent(tree: Tree, key: ByteString, place: ObjectPlace | undefined): OpenContent {
  const path = tree.pathOf(key);
  const fd = openRead(tree, key, path);
  try {
    const stat = tree.os.fstat(fd);
    if (place !== undefined && placeOf(stat).etag !== place.etag) throw changed(path, "holds another content now");
    return { fd, stat, path };
  } catch (error) {
    tree.os.close(fd);
    throw failureOf(error, path);
  }
}

function openRead(tree: Tree, key: ByteString, path: ByteString): number {
  try {
    tree.forget();
    tree.enterParentOf(key, "refuse");
    return tree.os.openRead(path);
  } catch (error) {
    if (isCode(error, "EISDIR", "ELOOP", "ENXIO")) throw changed(path, "is no file any more");
    throw isAbsence(error) ? changed(path, "is not there") : failureOf(error, path);
  }
}

/** The bytes of `range`, piece by piece, in one buffer that is used again for each; shorter where the file ends. */
export function* pieces(tree: Tree, content: OpenContent, range: ByteRange): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(PIECE_BYTES, range.lengthBytes)));
  const end = range.offsetBytes + range.lengthBytes;
  for (let at = range.offsetBytes; at < end;) {
    const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
    const from = at;
    const count = attempt(content.path, () => tree.os.read(content.fd, piece, from));
    if (count === 0) return;
    yield piece.subarray(0, count);
    at += count;
  }
}

/** Lets other work of the process run between two pieces. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
