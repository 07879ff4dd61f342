/** Rainbow's command line as benchmarks use it. */
import { join } from "node:path";
import { REPOSITORY } from "../runner/workspace.ts";
import { measure, start } from "./peers.ts";
import type { Measured, Running } from "./peers.ts";

const RAINBOW = join(REPOSITORY, "bin/rainbow");
const POLL_MS = 300;
const WAIT_MS_MAX = 600_000;

/** `up` of a folder, stopped as Ctrl-C stops it as soon as the initial backup is reported. */
export async function backUpOnce(dataDirectory: string, folder: string): Promise<Measured> {
  const up = start([RAINBOW, "up", folder, "--data-dir", dataDirectory, "--json"]);
  await up.line('"initial-backup"');
  return stop(up);
}

/** `up` that goes on; resolves when it protects and no scan is under way. */
export async function protect(dataDirectory: string, folder: string): Promise<Running> {
  const up = start([RAINBOW, "up", folder, "--data-dir", dataDirectory, "--json"]);
  await up.line('"protecting"');
  const untilMs = performance.now() + WAIT_MS_MAX;
  while (performance.now() < untilMs) {
    const status = await measure([RAINBOW, "status", "--data-dir", dataDirectory, "--json"], { codes: [0, 3, 11, 12] });
    const answer = status.stdout.trim() === "" ? undefined : (JSON.parse(status.stdout) as { state?: string; scan?: unknown; dirtyCount?: number });
    if (status.exitCode === 0 && answer?.state === "protecting" && (answer.scan ?? null) === null && answer.dirtyCount === 0) return up;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  up.signal("SIGTERM");
  throw new Error("rainbow up did not settle");
}

export async function stop(up: Running): Promise<Measured> {
  up.signal("SIGINT");
  const result = await up.ended;
  if (result.exitCode !== 0) throw new Error(`rainbow up ended with ${result.exitCode}: ${result.stderr.slice(-2000)}`);
  return result;
}

export function rainbow(dataDirectory: string, ...words: readonly string[]): Promise<Measured> {
  return measure([RAINBOW, ...words, "--data-dir", dataDirectory]);
}
