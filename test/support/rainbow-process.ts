/** A real `rainbow` of this checkout, as a user runs it: `up` in a child process, and commands beside it. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join, resolve } from "node:path";

export const RAINBOW = resolve(import.meta.dirname, "../../bin/rainbow");
const START_MS_MAX = 120_000;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs one command on a data directory and waits for its end. */
export function rainbow(dataDirectory: string, ...words: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(RAINBOW, [...words, "--data-dir", dataDirectory], { maxBuffer: 1 << 30, env: cleanEnvironment() });
  return { status, stdout, stderr: stderr.toString() };
}

/** The one JSON document of a command that must succeed (exit `expected`). */
export function rainbowJson(dataDirectory: string, words: readonly string[], expected: readonly number[] = [0]): Record<string, unknown> {
  const outcome = rainbow(dataDirectory, ...words, "--json");
  if (!expected.includes(outcome.status ?? -1)) throw new Error(`rainbow ${words.join(" ")} ended with ${outcome.status}: ${outcome.stderr}`);
  return JSON.parse(outcome.stdout.toString()) as Record<string, unknown>;
}

/** Lines of JSON of a streaming command. */
export function rainbowLines(dataDirectory: string, words: readonly string[], expected: readonly number[] = [0]): Record<string, unknown>[] {
  const outcome = rainbow(dataDirectory, ...words, "--json");
  if (!expected.includes(outcome.status ?? -1)) throw new Error(`rainbow ${words.join(" ")} ended with ${outcome.status}: ${outcome.stderr}`);
  return outcome.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Default true. */
  readonly scanned?: boolean;
  /** Default true. */
  readonly answering?: boolean;
}

export class Up {
  readonly dataDirectory: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = "";

  private constructor(dataDirectory: string, child: ChildProcess) {
    this.dataDirectory = dataDirectory;
    this.child = child;
    this.exited = new Promise((done) => child.once("exit", (code) => done(code)));
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (this.output = (this.output + data.toString()).slice(-65_536)));
  }

  /** Starts `up` on folders; resolves when the first scan of every root is done, or sooner where that, or an answer, is not asked for. */
  static async start(dataDirectory: string, folders: readonly string[], options: StartOptions = {}): Promise<Up> {
    const child = spawn(RAINBOW, ["up", ...folders, "--data-dir", dataDirectory], {
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const up = new Up(dataDirectory, child);
    if (options.answering === false) return up;
    await up.until((status) => options.scanned === false || isScanned(status, folders.length));
    return up;
  }

  /** Polls `status` until `reached`; throws when the process ends or nothing comes of it in two minutes. */
  async until(reached: (status: Record<string, unknown>) => boolean): Promise<void> {
    const giveUp = Date.now() + START_MS_MAX;
    while (Date.now() < giveUp) {
      if (this.child.exitCode !== null) throw new Error(`up ended with ${this.child.exitCode}:\n${this.output}`);
      const outcome = rainbow(this.dataDirectory, "status", "--json");
      if ((outcome.status === 0 || outcome.status === 3) && reached(JSON.parse(outcome.stdout.toString()) as Record<string, unknown>)) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`up did not get there in ${START_MS_MAX / 1000} s:\n${this.output}`);
  }

  /** Ends it as Ctrl-C does. */
  async stop(): Promise<number | null> {
    this.child.kill("SIGINT");
    return await this.exited;
  }

  /** Ends it as a power button does: nothing is flushed by it. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

function isScanned(status: Record<string, unknown>, rootCount: number): boolean {
  const roots = status["roots"] as { firstScanDone: boolean }[];
  return roots.length >= rootCount && roots.every((root) => root.firstScanDone) && status["scan"] === undefined;
}

/** What an npm run or another test set must not steer the product under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of ["RAINBOW_DATA_DIR", "RAINBOW_EVENTS", "INIT_CWD", "npm_lifecycle_event", "NODE_V8_COVERAGE"]) delete env[name];
  return env;
}

export const dataDirectoryIn = (directory: string): string => join(directory, "rainbow-data");
