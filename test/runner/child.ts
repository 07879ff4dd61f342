/**
 * Runs one program to its end or to its time limit. Its output goes to a file, not through a pipe: a grandchild that outlives the
 * program cannot hold the runner up. Each child leads a process group of its own, and what is left of that group is killed afterwards.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface ChildOutcome {
  /** undefined where a signal ended it or it could not be started. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  readonly durationMs: number;
  readonly output: string;
}

export interface ChildOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly limitMs: number;
  readonly outputFile: string;
}

const OUTPUT_SHOWN_MAX = 400_000; // Characters; a test that prints more keeps its head and its tail.
const liveGroups = new Set<number>();

/** Ends every child that still runs; for the runner's own end. */
export function killLiveChildren(): void {
  for (const group of liveGroups) killGroup(group);
}

export async function runChild(program: string, args: readonly string[], options: ChildOptions): Promise<ChildOutcome> {
  const fd = openSync(options.outputFile, "w");
  const startedMs = performance.now();
  let timedOut = false;
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", fd, fd], detached: true });
  closeSync(fd);
  const group = child.pid;
  if (group !== undefined) liveGroups.add(group);
  const timer = setTimeout(() => {
    timedOut = true;
    if (group !== undefined) killGroup(group);
  }, options.limitMs);
  const ended = await new Promise<{ exitCode?: number; signal?: string; failure?: string }>((resolve) => {
    child.on("error", (error) => resolve({ failure: `could not be started: ${error.message}\n` }));
    child.on("exit", (code, signal) => resolve({ ...(code === null ? {} : { exitCode: code }), ...(signal === null ? {} : { signal }) }));
  });
  clearTimeout(timer);
  if (group !== undefined) {
    killGroup(group);
    liveGroups.delete(group);
  }
  const output = (ended.failure ?? "") + shortened(readFileSync(options.outputFile, "utf8"));
  return { exitCode: ended.exitCode, signal: ended.signal, timedOut, durationMs: performance.now() - startedMs, output };
}

function killGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // ESRCH: nothing of the group is left.
  }
}

function shortened(text: string): string {
  if (text.length <= OUTPUT_SHOWN_MAX) return text;
  const half = OUTPUT_SHOWN_MAX / 2;
  return `${text.slice(0, half)}\n[... ${text.length - OUTPUT_SHOWN_MAX} characters left out ...]\n${text.slice(-half)}`;
}
