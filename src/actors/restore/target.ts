/**
 * Where a restore goes: whether the target may be taken, and as what. A folder that is restored into an empty or new target carries
 * a marker until it is whole, which names node and revision: so a second run knows an interrupted one and goes on.
 */
import { bytesOf, displayOf, listingCount, listingName, listingStat, OsError, RainbowError } from "../../core/index.ts";
import type { ByteString, Os, Stat } from "../../core/index.ts";
import type { NodeRecord } from "../../projections/index.ts";
import type { TargetMode } from "./plan.ts";
import { isTemporaryName, joinPath, lastName, parentPath, UNFINISHED_NAME } from "./request.ts";
import type { RestoreRequest } from "./request.ts";

const MARKER_BYTES_MAX = 256;

export interface Target {
  /** Where the node itself will stand. */
  readonly path: ByteString;
  readonly existing: Stat | undefined;
  readonly mode: TargetMode;
}

/** The stat, or undefined where nothing is there. */
export function statOrNone(os: Os, path: ByteString): Stat | undefined {
  try {
    return os.lstat(path);
  } catch (error) {
    if (error instanceof OsError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Throws TARGET_REFUSED where the target may not be taken. Changes nothing. */
export function chooseTarget(request: RestoreRequest, record: NodeRecord): Target {
  try {
    return record.kind === "directory" ? folderTarget(request, record) : leafTarget(request);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    throw refused(request.target, `it cannot be looked at (${error.operation}: ${error.code})`, error);
  }
}

function folderTarget(request: RestoreRequest, record: NodeRecord): Target {
  const { os, target: path, options } = request;
  const existing = statOrNone(os, path);
  const mayOverwrite = options.overwrite || options.delete;
  if (existing === undefined) {
    needParent(request);
    return { path, existing, mode: mayOverwrite ? "overwrite" : "fresh" };
  }
  if (request.exclusive === true) throw refused(path, "it exists again, and is never replaced by this command; name another target");
  if (existing.kind === "symlink") throw refused(path, "it is a symbolic link; name the folder that it leads to");
  if (existing.kind !== "directory") throw refused(path, "a folder is to be restored, and it is none");
  const listing = os.listDirectory(path);
  if (mayOverwrite) return { path, existing, mode: "overwrite" };
  if (isMarked(os, path, listing, markerText(request, record))) return { path, existing, mode: "resume" };
  if (isAsGoodAsEmpty(listing)) return { path, existing, mode: "fresh" };
  throw refused(path, "it is not empty; --overwrite replaces what differs in it and deletes nothing");
}

function leafTarget(request: RestoreRequest): Target {
  const { os, target, options } = request;
  const mode = options.overwrite || options.delete ? "overwrite" : "fresh";
  let [path, existing] = [target, statOrNone(os, target)];
  if (existing?.kind === "directory" && request.exclusive !== true) {
    path = joinPath(target, lastName(request.path));
    existing = statOrNone(os, path);
  }
  if (existing === undefined) {
    if (path === target) needParent(request);
    return { path, existing, mode };
  }
  if (request.exclusive === true) throw refused(path, "it exists again, and is never replaced by this command; name another target");
  if (existing.kind === "directory") throw refused(path, "it is a folder, and a file is to be restored under its name");
  if (mode === "fresh") throw refused(path, "it exists; --overwrite replaces it");
  return { path, existing, mode };
}

function needParent({ os, target, path }: RestoreRequest): void {
  if (target === path) return; // Missing folders are made as they were.
  const parent = parentPath(target);
  const stat = statOrNone(os, parent);
  if (stat === undefined) throw refused(target, `the folder '${displayOf(parent)}' is not there; make it first`);
  if (stat.kind !== "directory" && stat.kind !== "symlink") throw refused(target, `'${displayOf(parent)}' is no folder`);
}

export function refused(path: ByteString, why: string, cause?: unknown): RainbowError {
  return new RainbowError("TARGET_REFUSED", `cannot restore to '${displayOf(path)}': ${why}`, { path }, cause);
}

/** Leftovers of a restore and the lost+found of a fresh filesystem are nobody's data. */
function isAsGoodAsEmpty(listing: Buffer): boolean {
  for (let i = 0; i < listingCount(listing); i++) {
    const name = listingName(listing, i);
    const isLostAndFound = name === "lost+found" && listingStat(listing, i)?.kind === "directory";
    if (!isLostAndFound && !isTemporaryName(name) && name !== UNFINISHED_NAME) return false;
  }
  return true;
}

export function markerText({ view }: Pick<RestoreRequest, "view">, record: NodeRecord): string {
  return `An unfinished restore: run the same command again to go on.\nnode ${record.node}\nrevision ${view.revision}\n`;
}

export function writeMarker(os: Os, target: ByteString, text: string): void {
  const fd = os.openWrite(joinPath(target, UNFINISHED_NAME), { exclusive: false, truncate: true });
  try {
    os.write(fd, Buffer.from(text), 0);
    os.fsync(fd);
  } finally {
    os.close(fd);
  }
}

export function removeMarker(os: Os, target: ByteString): void {
  const path = joinPath(target, UNFINISHED_NAME);
  if (statOrNone(os, path)?.kind === "file") os.unlink(path);
}

function isMarked(os: Os, path: ByteString, listing: Buffer, text: string): boolean {
  for (let i = 0; i < listingCount(listing); i++) {
    if (listingName(listing, i) === UNFINISHED_NAME && listingStat(listing, i)?.kind === "file") {
      const fd = os.openRead(joinPath(path, UNFINISHED_NAME));
      try {
        const found = Buffer.alloc(MARKER_BYTES_MAX);
        return bytesOf(text as ByteString).equals(found.subarray(0, os.read(fd, found, 0)));
      } finally {
        os.close(fd);
      }
    }
  }
  return false;
}
