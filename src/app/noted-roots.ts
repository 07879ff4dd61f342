/**
 * Folders that were added or removed while nothing ran. The next `up` takes them over and removes the note: only a capturing host
 * records roots, as it alone can see what they are.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RainbowError } from "../core/index.ts";
import type { ByteString, RootOptions } from "../core/index.ts";

const FILE = "noted-roots.json";

export interface NotedRoot {
  readonly path: ByteString;
  /** Absent: the root is to be released. */
  readonly options?: RootOptions;
}

/** In the order in which they were said. */
export function readNotedRoots(directory: string): NotedRoot[] {
  const file = join(directory, FILE);
  if (!existsSync(file)) return [];
  try {
    const noted = JSON.parse(readFileSync(file, "utf8")) as unknown;
    if (Array.isArray(noted) && noted.every((root) => typeof (root as NotedRoot).path === "string")) return noted as NotedRoot[];
  } catch (error) {
    throw new RainbowError("STORE_CORRUPT", `${file} is damaged: remove it and add the folders again with 'rainbow add'`, { file }, error);
  }
  throw new RainbowError("STORE_CORRUPT", `${file} is damaged: remove it and add the folders again with 'rainbow add'`, { file });
}

/** Adds a note; a later one about the same folder takes its place. */
export function noteRoot(directory: string, root: NotedRoot): void {
  const noted = [...readNotedRoots(directory).filter(({ path }) => path !== root.path), root];
  const file = join(directory, FILE);
  writeFileSync(`${file}.new`, JSON.stringify(noted), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

export function forgetNotedRoots(directory: string): void {
  rmSync(join(directory, FILE), { force: true });
}
