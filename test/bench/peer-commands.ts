/** restic and borg as benchmarks use them: without a cache and without encryption where that is a choice, so that they do no work Rainbow does not. */
import { mkdirSync } from "node:fs";
import { measure } from "./peers.ts";
import type { Measured } from "./peers.ts";

const RESTIC_ENV = { RESTIC_PASSWORD: "bench" };
const BORG_ENV = { BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes", BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes" };

export function restic(repository: string, ...words: readonly string[]): Promise<Measured> {
  return measure(["restic", "--repo", repository, "--no-cache", "--quiet", ...words], { env: { ...process.env, ...RESTIC_ENV } });
}

/** `base`: where borg keeps what it remembers of files, which it needs for a fair second backup. */
export function borg(base: string, ...words: readonly string[]): Promise<Measured> {
  mkdirSync(base, { recursive: true });
  return measure(["borg", ...words], { env: { ...process.env, ...BORG_ENV, BORG_BASE_DIR: base } });
}
