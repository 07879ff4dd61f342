/** What a directory holds, by path: contents of files byte by byte as latin1, targets of symlinks behind an arrow, directories with a slash. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export function treeContents(directory: string, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(join(directory, prefix))) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const full = join(directory, path);
    const stat = lstatSync(full);
    if (stat.isDirectory()) {
      found.set(`${path}/`, "");
      for (const [below, content] of treeContents(directory, path)) found.set(below, content);
    } else found.set(path, stat.isSymbolicLink() ? `-> ${readlinkSync(full)}` : readFileSync(full, "latin1"));
  }
  return found;
}
