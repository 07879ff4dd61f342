/** A test that cannot run here says so and returns; the runner takes it off the passed ones, counts it as skipped and lists it. */
import { spawnSync } from "node:child_process";

/** To be called once, inside the body of the test that is skipped: `if (!isRoot) return skipped("loop mounts", "only root can mount");` */
export function skipped(name: string, reason: string): void {
  console.log(`\nSKIPPED: ${`${name} - ${reason}`.replaceAll("\n", " ")}`);
}

/** Whether a program is on the PATH. */
export function hasCommand(command: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", command], { stdio: "ignore" }).status === 0;
}

export const isRoot = process.getuid?.() === 0;
