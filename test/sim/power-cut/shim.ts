/** Builds the recording library and runs programs of this repository under it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { hasCommand } from "../../support/skip.ts";

const WRITER_MS_MAX = 120_000;

/** The path of the built library, or why there is none. */
export function buildShim(directory: string): { readonly library: string } | { readonly reason: string } {
  const compiler = ["cc", "gcc", "clang"].find(hasCommand);
  if (process.platform !== "linux") return { reason: "the preload library is for Linux" };
  if (compiler === undefined) return { reason: "there is no C compiler" };
  const library = join(directory, "shim.so");
  const source = join(import.meta.dirname, "shim.c");
  const built = spawnSync(compiler, ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"], {
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`the preload library does not compile: ${built.stderr}`);
  return { library };
}

export interface Recorded {
  readonly library: string;
  /** Files below it are recorded. */
  readonly root: string;
  readonly log: string;
  /** Ends the program by SIGKILL when so many records stand. */
  readonly killAt?: number;
}

/** The environment in which a program's writes are recorded. */
export function recordedEnvironment({ library, root, log, killAt }: Recorded): NodeJS.ProcessEnv {
  const kill = killAt === undefined ? {} : { RAINBOW_SHIM_KILL_AT: String(killAt) };
  return { ...process.env, LD_PRELOAD: library, RAINBOW_SHIM_ROOT: root, RAINBOW_SHIM_LOG: log, UV_USE_IO_URING: "0", ...kill };
}

/** Runs one program to its end; throws where it fails, or ended otherwise than it may. True where it was killed as was asked for. */
export function runRecorded(recorded: Recorded, script: string, words: readonly string[], mayEndWith: readonly number[] = [0]): boolean {
  const child = spawnSync(process.execPath, [script, ...words], { env: recordedEnvironment(recorded), encoding: "utf8", timeout: WRITER_MS_MAX });
  const isKilled = recorded.killAt !== undefined && child.signal === "SIGKILL";
  if (!isKilled && !mayEndWith.includes(child.status ?? -1))
    throw new Error(`${script} ended with ${child.status ?? child.signal}: ${child.stdout}${child.stderr}`);
  return isKilled;
}
