/** Temporary directories below the test's own TMPDIR, removed when the process ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

export function temporaryDirectory(label = "t"): string {
  const directory = mkdtempSync(join(tmpdir(), `${label}-`));
  if (made.length === 0) process.on("exit", () => made.forEach((path) => rmSync(path, { recursive: true, force: true })));
  made.push(directory);
  return directory;
}
