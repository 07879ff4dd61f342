/** One entry on one line, much as ls -l has it. */
import type { Entry } from "../../app/index.ts";
import { byteStringOfText } from "../../core/index.ts";
import type { NodeKind } from "../../core/index.ts";
import { formatLocalSeconds } from "../instants/index.ts";
import { nameForPeople } from "./names.ts";
import { formatBytes } from "./sizes.ts";

const KIND_LETTERS: Readonly<Record<NodeKind, string>> = { file: "-", directory: "d", symlink: "l", fifo: "p", socket: "s", character: "c", block: "b" };

export function kindName(kind: NodeKind): string {
  return { file: "file", directory: "folder", symlink: "symlink", fifo: "FIFO", socket: "socket", character: "character device", block: "block device" }[kind];
}

/** `-rwsr-x--T`. */
export function modeText(kind: NodeKind, mode: number): string {
  const triple = (bits: number, special: boolean, letter: string): string =>
    `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? "x" : "-"}`;
  const owner = triple((mode >> 6) & 7, (mode & 0o4000) !== 0, "s");
  const group = triple((mode >> 3) & 7, (mode & 0o2000) !== 0, "s");
  return `${KIND_LETTERS[kind]}${owner}${group}${triple(mode & 7, (mode & 0o1000) !== 0, "t")}`;
}

/** What must be said of an entry beside its name. */
export function markOf({ unsettled, purged }: Pick<Entry, "unsettled" | "purged">): string {
  return `${unsettled ? "  (unsettled)" : ""}${purged === null ? "" : "  (purged)"}`;
}

/** `-rw-r--r--  1000:1000     4.0 KiB  2026-05-01 17:00:00  name`; `label` stands for the name where the path is wanted. */
export function entryLine(entry: Entry, zone: string, label = nameForPeople(entry.name)): string {
  const size = entry.kind === "file" ? formatBytes(entry.sizeBytes) : "-";
  const owner = `${entry.uid}:${entry.gid}`;
  const target = entry.kind === "symlink" ? ` -> ${nameForPeople(entry.linkTarget)}` : "";
  const suffix = entry.kind === "directory" && !label.endsWith("/") ? "/" : "";
  const mark = markOf(entry);
  return `${modeText(entry.kind, entry.mode)}  ${owner.padEnd(9)} ${size.padStart(10)}  ${formatLocalSeconds(entry.mtimeSeconds, zone)}  ${label}${suffix}${target}${mark}`;
}

/** `  by postgres (4711), sh (12)`; nothing where no process is known. */
export function originsText(origins: readonly { readonly pid: number; readonly name: string }[]): string {
  if (origins.length === 0) return "";
  return `  by ${origins.map(({ pid, name }) => `${nameForPeople(byteStringOfText(name))} (${pid})`).join(", ")}`;
}
