/** bin/rainbow as a user calls it, on a data directory and folders of the test's own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { REPOSITORY } from "../runner/workspace.ts";
import { temporaryDirectory } from "./temp.ts";

export const PROGRAM = join(REPOSITORY, "bin/rainbow");

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function start(words: readonly string[], { cwd, env }: CallOptions = {}): ChildProcess {
  return spawn(PROGRAM, words, { cwd: cwd ?? REPOSITORY, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

export async function end(child: ChildProcess): Promise<Ended> {
  const [out, talk]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => talk.push(chunk));
  const exitCode = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { exitCode, stdout: Buffer.concat(out), stderr: Buffer.concat(talk).toString() };
}

/** One data directory, and one folder to protect. */
export class Household {
  readonly base = temporaryDirectory("h");
  readonly data = join(this.base, "data");
  readonly docs = join(this.base, "docs");
  readonly env = { RAINBOW_DATA_DIR: this.data, XDG_RUNTIME_DIR: this.base, TZ: "Asia/Shanghai" };
  private up: { readonly child: ChildProcess; readonly ended: Promise<Ended> } | undefined;

  constructor() {
    mkdirSync(this.docs);
  }

  run(...words: readonly string[]): Promise<Ended> {
    return end(start(words, { cwd: this.base, env: this.env }));
  }

  /** As run(), but fails unless it ends with `exitCode`. Returns stdout. */
  async ok(words: readonly string[], exitCode = 0): Promise<string> {
    const answer = await this.run(...words);
    if (answer.exitCode === exitCode) return answer.stdout.toString();
    throw new Error(`rainbow ${words.join(" ")}: exit code ${answer.exitCode}, not ${exitCode}\n${answer.stdout.toString()}\n${answer.stderr}`);
  }

  /** Starts `up` and waits until everything that is there is protected. */
  async startUp(...words: readonly string[]): Promise<void> {
    const child = start(["up", ...words], { cwd: this.base, env: this.env });
    const ended = end(child);
    this.up = { child, ended };
    process.once("exit", () => child.kill("SIGKILL")); // A failed test leaves nothing running.
    let isOver = false;
    void ended.then(() => (isOver = true));
    for (;;) {
      if (isOver) throw new Error(`up ended early:\n${(await ended).stderr}`);
      const status = await this.run("status", "--json");
      if (status.exitCode === 0 && !status.stdout.toString().includes('"firstScanDone":false')) break;
      await delay(50);
    }
    await this.ok(["flush", "-q"]);
  }

  /** Ends `up` by a signal, sent so often within a moment; resolves with what it said. */
  async stopUp(signal: NodeJS.Signals = "SIGINT", times = 1): Promise<Ended> {
    if (this.up === undefined) throw new Error("up does not run");
    const { child, ended } = this.up;
    this.up = undefined;
    for (let i = 0; i < times; i++) {
      child.kill(signal);
      await delay(2);
    }
    return ended;
  }
}
