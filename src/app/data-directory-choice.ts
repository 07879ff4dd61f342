/** Where the data directory lies, by the user's words and surroundings. */
import { realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { RainbowError } from "../core/index.ts";

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly home: string;
  readonly cwd: string;
}

/** `option` (--data-dir), else RAINBOW_DATA_DIR, else `configured`, else /var/lib/rainbow for root and $XDG_DATA_HOME/rainbow for others. Absolute. */
export function chooseDataDirectory(option: string | undefined, { env, uid, home, cwd }: Surroundings, configured?: string): string {
  const named = option ?? env["RAINBOW_DATA_DIR"];
  if (named === "") throw new RainbowError("USAGE", "the data directory's name is empty: give --data-dir a folder, or unset RAINBOW_DATA_DIR");
  if (named !== undefined) return resolve(cwd, named);
  if (configured !== undefined) return configured;
  if (uid === 0) return "/var/lib/rainbow";
  const base = env["XDG_DATA_HOME"];
  return join(base !== undefined && base.startsWith("/") ? base : join(home, ".local/share"), "rainbow"); // A relative one is invalid by its own specification.
}

/** The directory's path without symlinks, so that one directory has one name; as it is where it is missing. */
export function realDataDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Whether a data directory of Rainbow is there, of whatever version. */
export function isDataDirectory(path: string): boolean {
  try {
    return statSync(join(path, "FORMAT")).isFile();
  } catch {
    return false;
  }
}
