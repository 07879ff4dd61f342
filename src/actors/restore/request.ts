/** What a restore is asked for, and what it found out before it writes. */
import type { ByteString, Clock, NodeId, Os } from "../../core/index.ts";
import type { View } from "../../projections/index.ts";

export interface RestoreOptions {
  /** A target that is not empty is taken; files that differ are replaced, nothing is deleted. */
  readonly overwrite: boolean;
  /** What the target has and the view has not is removed; implies `overwrite`. */
  readonly delete: boolean;
  /** Only says what would be done. */
  readonly dryRun: boolean;
  /** Patterns in gitignore syntax, relative to the restored folder. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Found before anything is written. */
export interface RestorePlan {
  readonly nodeCount: number;
  /** Sizes of the files, holes included; a file with several names counts once. */
  readonly fileBytes: number;
  /** Names that `delete` will remove, counted into the depth. */
  readonly deleteCount: number;
}

export interface RestoreRequest {
  readonly os: Os;
  /** Stays open until the iteration has ended; its owner closes it. */
  readonly view: View;
  readonly node: NodeId;
  /** Where the node was, absolute. A missing folder above the target is made as it was where the target is this path. */
  readonly path: ByteString;
  /** Absolute, without a slash at the end. */
  readonly target: ByteString;
  readonly options: RestoreOptions;
  /** Refuses wherever the target exists, whatever it is: for undelete. */
  readonly exclusive?: boolean;
  /** Asked once, after planning and before anything is written; false ends the restore with nothing done. */
  readonly hold?: (plan: RestorePlan) => Promise<boolean>;
  /** Why a path must not be deleted (never captured: excluded, another filesystem, the data directory), or undefined. */
  readonly keep?: (path: ByteString, isDirectory: boolean) => string | undefined;
  /** Makes the filesystem of `path` durable (syncfs); called once at the end. Without it the kernel writes back in its own time. */
  readonly sync?: (path: ByteString) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

/** Names that the restore itself makes in a target. They never outlive a restore that ends, and are never restored themselves. */
export const UNFINISHED_NAME = ".rainbow-restore-unfinished" as ByteString;
const TEMPORARY_PREFIX = ".rainbow-restore-";
const TEMPORARY = /^\.rainbow-restore-[0-9a-z]+-[0-9a-z]+$/;

export function temporaryName(token: string, counter: number): ByteString {
  return `${TEMPORARY_PREFIX}${token}-${counter.toString(36)}` as ByteString;
}

export function isTemporaryName(name: ByteString): boolean {
  return name.startsWith(TEMPORARY_PREFIX) && TEMPORARY.test(name);
}

export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return (directory === "/" ? `/${name}` : `${directory}/${name}`) as ByteString;
}

export function parentPath(path: ByteString): ByteString {
  const slash = path.lastIndexOf("/");
  return (slash <= 0 ? "/" : path.slice(0, slash)) as ByteString;
}

export function lastName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1) as ByteString;
}
