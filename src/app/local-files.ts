/** The few things that the command line asks of this machine's files. Paths are ByteStrings; symlinks are followed unless said. */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { byteStringOf, bytesOf, RainbowError } from "../core/index.ts";
import type { ByteString, NodeKind } from "../core/index.ts";

/** Whether the name exists and can be seen, be it a dangling symlink. */
export function existsAt(path: ByteString): boolean {
  try {
    return lstatSync(bytesOf(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // Below a folder that is closed to us, or below a file.
  }
}

/** "directory" or "file" behind all symlinks; "other" for the rest; undefined where there is nothing or it cannot be reached. */
export function kindAt(path: ByteString): NodeKind | "other" | undefined {
  try {
    const stat = statSync(bytesOf(path), { throwIfNoEntry: false });
    return stat === undefined ? undefined : stat.isDirectory() ? "directory" : stat.isFile() ? "file" : "other";
  } catch {
    return undefined; // No right to look, or a file where a folder should be.
  }
}

/** The path without symlinks, as far as it exists; names below that stay. The last name itself is never followed where `keepLast`. */
export function realPathOf(path: ByteString, options: { readonly keepLast: boolean }): ByteString {
  const names = path.split("/").filter((name) => name !== "");
  for (let count = options.keepLast ? names.length - 1 : names.length; count >= 0; count--) {
    try {
      const real = realpathSync(bytesOf(`/${names.slice(0, count).join("/")}` as ByteString), { encoding: "buffer" });
      const rest = names.slice(count).join("/");
      const prefix = byteStringOf(real);
      return (rest === "" ? prefix : prefix === "/" ? `/${rest}` : `${prefix}/${rest}`) as ByteString;
    } catch {
      continue; // This much of it is not there (any more): one name less.
    }
  }
  return path;
}

/** The lines of a small text file (rules). IO where it cannot be read. */
export function readLines(path: ByteString): string[] {
  try {
    return readFileSync(bytesOf(path), "utf8").split(/\r?\n/);
  } catch (error) {
    throw new RainbowError("IO", `${bytesOf(path).toString()}: cannot be read (${error instanceof Error ? error.message : String(error)})`, {}, error);
  }
}

/** Whether one disk's loss takes both along. */
export async function sharesDisk(a: ByteString, b: ByteString): Promise<boolean> {
  const [{ isOnSameDisk }, { openOs }] = await Promise.all([import("./filesystem-fitness.ts"), import("./os/index.ts")]);
  return isOnSameDisk(a, b, openOs());
}
