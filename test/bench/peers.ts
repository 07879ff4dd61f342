/**
 * Finds the programs that Rainbow is measured against (installing them from Debian where root may), and measures any command: CPU of
 * it and its children, wall time, peak anonymous memory of its processes. Linux alone.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hasCommand, isRoot } from "../support/skip.ts";

const SAMPLE_MS = 20;
const TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK) on every Linux that Debian runs on.
const OUTPUT_MAX = 1 << 20;
const PACKAGES: Readonly<Record<string, string>> = { restic: "restic", borg: "borgbackup", rsync: "rsync" };

/** Undefined where the peer is there (now); else why not. */
export function missingPeer(name: string): string | undefined {
  if (hasCommand(name)) return undefined;
  const debianPackage = PACKAGES[name] ?? name;
  if (!isRoot || !hasCommand("apt-get")) return `${name} is not installed (Debian package ${debianPackage})`;
  console.error(`installing ${debianPackage} from Debian`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore", env });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", debianPackage], { stdio: "ignore", env });
  return hasCommand(name) ? undefined : `${debianPackage} could not be installed`;
}

export function peerVersion(name: string): string {
  return spawnSync(name, [name === "restic" ? "version" : "--version"], { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
}

export interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly anonymousBytesPeak: number;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  /** Resolves with the first line of stdout that holds `text`; rejects where the command ends before. */
  line(text: string): Promise<string>;
  /** CPU seconds of its processes until now. */
  cpuSeconds(): number;
  /** The highest sum of anonymous memory since the start or the last call. */
  takePeak(): number;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Measured>;
}

/** The shell tells what its children used; it stays outside of all sums. */
const SHELL = '"$@"; code=$?; times >&3; exit $code';

export function start(command: readonly string[], options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}): Running {
  const startedMs = performance.now();
  const child = spawn("sh", ["-c", SHELL, "sh", ...command], { ...options, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "", times: "" };
  const waiting = new Set<() => void>();
  const collect = (name: keyof typeof output, stream: NodeJS.ReadableStream | null): void => {
    stream?.on("data", (chunk: Buffer) => {
      output[name] = (output[name] + chunk.toString()).slice(-OUTPUT_MAX);
      for (const look of waiting) look();
    });
  };
  collect("stdout", child.stdout);
  collect("stderr", child.stderr);
  collect("times", child.stdio[3] as NodeJS.ReadableStream);
  const peak = { all: 0, sinceTaken: 0 };
  const sampler = setInterval(() => {
    const now = treeOf(child).reduce((sum, pid) => sum + anonymousBytes(pid), 0);
    peak.all = Math.max(peak.all, now);
    peak.sinceTaken = Math.max(peak.sinceTaken, now);
  }, SAMPLE_MS);
  const ended = new Promise<Measured>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(sampler);
      const { stdout, stderr } = output;
      const wallSeconds = (performance.now() - startedMs) / 1000;
      const exitCode = code ?? (signal === null ? 1 : 128);
      resolve({ cpuSeconds: childrenSeconds(output.times), wallSeconds, anonymousBytesPeak: peak.all, exitCode, stdout, stderr });
    });
  });
  return {
    ended,
    line: (text) => lineOf(output, waiting, ended, text),
    cpuSeconds: () => treeOf(child).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
    takePeak: () => {
      const taken = peak.sinceTaken;
      peak.sinceTaken = 0;
      return taken;
    },
    signal: (name) =>
      treeOf(child)
        .slice(0, 1)
        .forEach((pid) => process.kill(pid, name)),
  };
}

/** Runs to the end; throws with the last words where the exit code is not among `codes`. */
export async function measure(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly codes?: readonly number[] } = {},
): Promise<Measured> {
  const result = await start(command, options).ended;
  if ((options.codes ?? [0]).includes(result.exitCode)) return result;
  throw new Error(`${command.slice(0, 4).join(" ")} … ended with ${result.exitCode}: ${result.stderr.slice(-2000)}${result.stdout.slice(-500)}`);
}

/** Bytes that the disk really spends on everything below a path. */
export function storedBytes(path: string): number {
  const stat = lstatSync(path);
  const own = stat.blocks * 512;
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + storedBytes(join(path, name)), own) : own;
}

function lineOf(
  output: { readonly stdout: string; readonly stderr: string },
  waiting: Set<() => void>,
  ended: Promise<Measured>,
  text: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const found = output.stdout.split("\n").find((line) => line.includes(text));
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
    void ended.then(({ exitCode, stderr }) => reject(new Error(`it ended with ${exitCode} before it said '${text}': ${stderr.slice(-2000)}`)));
  });
}

/** All processes below the shell, parents first. */
function treeOf(child: ChildProcess): number[] {
  return child.pid === undefined ? [] : childrenOf(child.pid);
}

function childrenOf(pid: number): number[] {
  return below(() =>
    readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      below(() =>
        readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
          .split(" ")
          .filter((text) => text !== "")
          .map(Number),
      ),
    ),
  ).flatMap((each) => [each, ...childrenOf(each)]);
}

/** A process that ended meanwhile has nothing below it. */
function below(list: () => number[]): number[] {
  try {
    return list();
  } catch {
    return [];
  }
}

function anonymousBytes(pid: number): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** proc(5): fields 14 to 17 of stat, counted behind the name, which may hold spaces. */
function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

/** The second line of `times`: user and system of all children that were waited for, as 0m1.250000s. */
function childrenSeconds(times: string): number {
  const line = times.trim().split("\n").at(-1) ?? "";
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}
