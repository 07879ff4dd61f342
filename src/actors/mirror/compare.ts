/** What a listed directory has that the mirror has not, and the other way round. Pure; both sides come in byte order of names. */
import type { ByteString } from "../../core/index.ts";
import type { FileEntry } from "../../projections/index.ts";
import type { Entry } from "../../rsync/index.ts";
import type { Listed } from "./listed-directories.ts";

export interface Differences {
  same(listed: Listed, stored: FileEntry): void;
  /** Mode or time of what needs no other content. */
  touched(listed: Listed, stored: FileEntry): void;
  /** A file whose content may be another one, or a symlink with another target. */
  changed(listed: Listed, stored: FileEntry): void;
  /** Not there, or of another kind: `replaced` is then what stands in its place. */
  added(listed: Listed, replaced: FileEntry | undefined): void;
  /** There, and not listed. */
  gone(stored: FileEntry): void;
}

export interface CompareRules {
  /** Since protocol 31 lists have nanoseconds; before, a time is that of the list as far as its seconds go. */
  readonly hasNanos: boolean;
  /** Lists have digests of this name, which decide instead of size and time. */
  readonly listedDigest: string | undefined;
}

/** Takes each name of either side once. `listed` are those that the mirror wants. */
export function compareDirectory(listed: readonly Listed[], stored: Iterator<FileEntry>, rules: CompareRules, differences: Differences): void {
  let place = 0;
  let next = stored.next();
  for (;;) {
    const theirs = listed[place];
    const ours = next.done === true ? undefined : next.value;
    if (theirs === undefined && ours === undefined) return;
    if (ours === undefined || (theirs !== undefined && theirs.entry.path < ours.path)) {
      differences.added(theirs!, undefined);
      place++;
    } else if (theirs === undefined || ours.path < theirs.entry.path) {
      differences.gone(ours);
      next = stored.next();
    } else {
      compareEntry(theirs, ours, rules, differences);
      place++;
      next = stored.next();
    }
  }
}

function compareEntry(listed: Listed, stored: FileEntry, rules: CompareRules, differences: Differences): void {
  const { entry } = listed;
  if (entry.kind !== stored.kind) differences.added(listed, stored);
  else if (entry.kind === "file" && !isSameContent(entry, stored, rules)) differences.changed(listed, stored);
  else if (entry.kind === "symlink" && entry.linkTarget !== stored.linkTarget) differences.changed(listed, stored);
  else if (!isSameTime(entry, stored, rules) || (entry.kind !== "symlink" && entry.mode !== stored.mode)) differences.touched(listed, stored);
  else differences.same(listed, stored);
}

/** As far as can be told without reading. */
function isSameContent(entry: Entry, stored: FileEntry, rules: CompareRules): boolean {
  if (entry.sizeBytes !== stored.sizeBytes) return false;
  if (rules.listedDigest === undefined) return isSameTime(entry, stored, rules);
  const { digest } = stored;
  return digest?.name === rules.listedDigest && entry.digest !== undefined && digest.bytes.equals(entry.digest);
}

export function isSameTime(entry: Pick<Entry, "mtimeSeconds" | "mtimeNanos">, stored: FileEntry, rules: CompareRules): boolean {
  return entry.mtimeSeconds === stored.mtimeSeconds && (!rules.hasNanos || entry.mtimeNanos === stored.mtimeNanos);
}

/** Whether a symlink leads out of the mirror: an absolute target, or more steps up than there are above it. As rsync judges it for --safe-links. */
export function leadsOut(path: ByteString, target: ByteString): boolean {
  if (target === "" || target.startsWith("/")) return true;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "." && part !== "") depth++;
    if (depth < 0) return true;
  }
  return false;
}
