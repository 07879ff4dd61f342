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

export interface Sorted {
  readonly entries: SortedEntries;
  /** All directories in that order, also those that were listed twice. */
  readonly directories: readonly Entry[];
}

export function sortEntries(arrived: readonly Entry[], protocol: number): Sorted {
  const keyed = arrived.map((entry) => ({ key: sortKey(entry.path, entry.kind === "directory", protocol), entry }));
  if (keyed.some(({ key }, i) => i > 0 && key < keyed[i - 1]!.key)) keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const directories = keyed.filter(({ entry }) => entry.kind === "directory").map(({ entry }) => entry);
  const paths = new Set(directories.map(({ path }) => path));
  const entries = keyed.map(({ key, entry }, i) => {
    const isRepeated = i > 0 && keyed[i - 1]!.key === key;
    return isRepeated || (entry.kind !== "directory" && paths.has(entry.path)) ? undefined : entry;
  });
  return { entries, directories };
}
