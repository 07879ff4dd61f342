/** What `rsync --list-only` prints, as facts: the reference client's own view of a daemon's list. */
import { spawnSync } from "node:child_process";
import type { ByteString } from "../../src/core/index.ts";
import type { Entry } from "../../src/rsync/index.ts";

/** "drwxr-xr-x 4096 2026-11-27T22:50:00 sub/name -> target"; a directory's size counts for nothing. */
export type ListingLine = string;

const PERMISSIONS = ["r", "w", "x", "r", "w", "x", "r", "w", "x"];
const LETTERS = { file: "-", directory: "d", symlink: "l", fifo: "p", socket: "s", character: "c", block: "b" } as const;

export function referenceListing(url: string, options: readonly string[] = []): ListingLine[] {
  const words = ["--list-only", "-rlHD", "--8-bit-output", "--no-human-readable", ...options, url];
  const run = spawnSync("rsync", words, { encoding: "latin1", env: { ...process.env, TZ: "UTC" }, maxBuffer: 1 << 28 });
  if (run.status !== 0) throw new Error(`rsync ${words.join(" ")} ended with ${run.status}: ${run.stderr}`);
  const lines = run.stdout.split("\n").filter((line) => /^[-dlpscb][-rwxsStT]{9} /.test(line));
  return lines.map((line) => {
    const match = /^(\S{10}) +(\d+) (\d{4})\/(\d\d)\/(\d\d) (\S+) (.*)$/s.exec(line);
    if (match === null) throw new Error(`rsync listed: ${line}`);
    const [, permissions, size, year, month, day, time, name] = match;
    const plain = name!.replace(/\\#(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    return `${permissions} ${permissions!.startsWith("d") ? "-" : size} ${year}-${month}-${day}T${time} ${plain}`;
  });
}

/** An entry as the reference would print it. */
export function listingLine(entry: Pick<Entry, "path" | "kind" | "mode" | "sizeBytes" | "mtimeSeconds" | "linkTarget">): ListingLine {
  const time = new Date(entry.mtimeSeconds * 1000).toISOString().slice(0, 19);
  const target = entry.linkTarget === undefined ? "" : ` -> ${entry.linkTarget}`;
  return `${permissionsOf(entry)} ${entry.kind === "directory" ? "-" : entry.sizeBytes} ${time} ${entry.path}${target}`;
}

function permissionsOf({ mode, kind }: Pick<Entry, "mode" | "kind">): string {
  const bits = PERMISSIONS.map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : "-"));
  const special = (bit: number, place: number, letter: string): void => {
    if (mode & bit) bits[place] = bits[place] === "x" ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return LETTERS[kind] + bits.join("");
}

export function pathText(path: string): ByteString {
  return Buffer.from(path, "utf8").toString("latin1") as ByteString;
}
