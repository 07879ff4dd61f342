/** The decisions of a restore, pure: what to do with a name, given what the view has and what the target has. */
import { displayOf } from "../../core/index.ts";
import type { ByteString, NodeKind, Stat, Xattr } from "../../core/index.ts";
import type { Gap, NodeRecord } from "../../projections/index.ts";
import { isTemporaryName, UNFINISHED_NAME } from "./request.ts";

/**
 * fresh: the target was not there or empty. resume: an earlier restore of the same node and revision into it was interrupted.
 * overwrite: the target is the user's, who allows what differs to be replaced.
 */
export type TargetMode = "fresh" | "resume" | "overwrite";

export interface Policy {
  readonly mode: TargetMode;
  readonly delete: boolean;
  readonly dryRun: boolean;
  /** How far a modification time may be off and still count as set: 0 with the addon, a microsecond without. */
  readonly timeToleranceNanos: number;
}

export type LeafDecision =
  | { readonly kind: "make" }
  /** Looks the same: its content is read and compared before that is believed; where it differs after all, it is replaced. */
  | { readonly kind: "compare" }
  | { readonly kind: "replace"; readonly removes: "nothing" | "empty-directory" | "tree" }
  | { readonly kind: "refuse"; readonly why: string };

export type DirectoryDecision =
  { readonly kind: "make" } | { readonly kind: "enter" } | { readonly kind: "replace" } | { readonly kind: "refuse"; readonly why: string };

/** For anything but a directory. `existing` is what the target has under that name. */
export function decideLeaf(record: NodeRecord, existing: Stat | undefined, policy: Policy): LeafDecision {
  if (existing === undefined) return { kind: "make" };
  if (existing.kind === "directory") {
    if (policy.mode !== "overwrite") return { kind: "refuse", why: "a folder of that name is in the target" };
    return { kind: "replace", removes: policy.delete ? "tree" : "empty-directory" };
  }
  const isSameKind = existing.kind === record.kind;
  const hasTime = isSameTime(record, existing, policy.timeToleranceNanos);
  const isOwnLinkage = existing.linkCount <= record.names.length; // More links than wanted: writing to it would reach names outside.
  if (isSameKind && hasTime && isOwnLinkage && isSameShape(record, existing)) return { kind: "compare" };
  // A file gets its time before its name. One with the right time and the wrong bytes is what a power cut left of it.
  if (policy.mode === "overwrite" || (isSameKind && hasTime)) return { kind: "replace", removes: "nothing" };
  return { kind: "refuse", why: "it was changed or made by someone else since the interrupted restore; --overwrite replaces it" };
}

export function decideDirectory(existing: Stat | undefined, policy: Policy): DirectoryDecision {
  if (existing === undefined) return { kind: "make" };
  if (existing.kind === "directory") return { kind: "enter" };
  if (policy.mode === "overwrite") return { kind: "replace" };
  return { kind: "refuse", why: `a ${KIND_WORDS[existing.kind]} of that name is in the target` };
}

/**
 * clear: a leftover of an earlier restore, which goes unsaid. undecided: nobody knows whether it was there, so it stays, and that is
 * said.
 */
export type ExtraDecision = "leave" | "clear" | "delete" | "undecided";

/** A name that the target has and the view has not. */
export function decideExtra(
  extra: { readonly name: ByteString; readonly isSelected: boolean; readonly isNameListKnown: boolean; readonly isKept: boolean },
  policy: Policy,
): ExtraDecision {
  if (isTemporaryName(extra.name)) return "clear";
  if (!policy.delete || !extra.isSelected || extra.isKept || extra.name === UNFINISHED_NAME) return "leave";
  return extra.isNameListKnown ? "delete" : "undecided";
}

/** Whether names may be missing from the folders that a gap covers. */
export function hidesNames(gap: Gap): boolean {
  return gap.reason !== "unsettled" && gap.reason !== "clock";
}

/** Whether what the target has equals the record in all that a stat tells, apart from size and content. */
export function isSameMetadata(record: NodeRecord, existing: Stat, policy: Policy): boolean {
  const { mode, uid, gid } = record.attributes;
  if (existing.uid !== uid || existing.gid !== gid) return false;
  if (record.kind !== "symlink" && existing.mode !== mode) return false;
  return isSameTime(record, existing, policy.timeToleranceNanos);
}

export function isSameTime(record: NodeRecord, existing: Stat, toleranceNanos: number): boolean {
  const seconds = existing.mtimeSeconds - record.attributes.mtimeSeconds;
  if (Math.abs(seconds) > 1) return false;
  return Math.abs(seconds * 1e9 + existing.mtimeNanos - record.attributes.mtimeNanos) <= toleranceNanos;
}

/** Both lists are sorted by name. */
export function isSameXattrs(wanted: readonly Xattr[], found: readonly Xattr[]): boolean {
  if (wanted.length !== found.length) return false;
  return wanted.every((xattr, i) => xattr.name === found[i]!.name && Buffer.compare(xattr.value, found[i]!.value) === 0);
}

function isSameShape(record: NodeRecord, existing: Stat): boolean {
  if (record.kind === "file") return existing.sizeBytes === record.sizeBytes;
  if (record.kind === "character" || record.kind === "block") return existing.rdev === record.rdev;
  return true;
}

/** A mode that is safe to set: without its owner a set-id bit would lend the restoring user's rights to everyone. */
export function safeMode(mode: number, isOwnerSet: boolean): number {
  return isOwnerSet ? mode : mode & ~0o6000;
}

/** What a reader must know about a restored version; "" where nothing. */
export function doubtOf(record: NodeRecord, gap: Gap | undefined): string {
  const doubts: string[] = [];
  if (record.unsettled) doubts.push("unsettled: this version could not be read at rest");
  if (gap !== undefined) doubts.push(`in a gap (${gap.reason}): ${gap.detail === "" ? "something may be missing" : gap.detail}`);
  return doubts.join("; ");
}

export const KIND_WORDS: Readonly<Record<NodeKind, string>> = {
  file: "file",
  directory: "folder",
  symlink: "symbolic link",
  fifo: "FIFO",
  socket: "socket",
  character: "character device",
  block: "block device",
};

/** For people, in quotes. */
export function quoted(path: ByteString): string {
  return `'${displayOf(path)}'`;
}
