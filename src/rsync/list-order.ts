/**
 * Requests name files by their place in the sorted list, so both sides must sort alike. PROTOCOL.md "Order". Names are compared as
 * bytes, which ByteStrings do by themselves.
 */
import type { ByteString } from "../core/index.ts";
import type { Entry } from "./entry.ts";

/** A list as requests count it. A name that was listed twice keeps its places, but only one of them holds an entry. */
export type SortedEntries = (Entry | undefined)[];

const FILE = "\x01";
const DIRECTORY = "\x02";

/** From protocol 29 on: in a directory first what is none, then its directories, each before its content. Before, by whole names. */
export function sortKey(path: ByteString, isDirectory: boolean, protocol: number): string {
  if (protocol < 29) return path;
  if (path === ".") return "";
  const slash = path.lastIndexOf("/") + 1;
  const name = isDirectory ? `${DIRECTORY}${path.slice(slash)}/` : FILE + path.slice(slash);
  return slash === 0 ? name : `${DIRECTORY}${path.slice(0, slash - 1).replaceAll("/", `/${DIRECTORY}`)}/${name}`;
}

export function sortEntries(entries: readonly Entry[], protocol: number): SortedEntries {
  const keyed = entries.map((entry) => ({ key: sortKey(entry.path, entry.kind === "directory", protocol), entry }));
  if (keyed.some(({ key }, i) => i > 0 && key < keyed[i - 1]!.key)) keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const directories = new Set<ByteString>();
  for (const { path, kind } of entries) if (kind === "directory") directories.add(path);
  return keyed.map(({ key, entry }, i) => {
    const isRepeated = i > 0 && keyed[i - 1]!.key === key;
    return isRepeated || (entry.kind !== "directory" && directories.has(entry.path)) ? undefined : entry;
  });
}
