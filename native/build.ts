/**
 * Builds the addon where a source is newer than it, by bin/build-native.mjs, and says plainly what a machine lacks for it. Run it as
 * `bin/node24 native/build.ts` (with `--install`, root installs a missing compiler by apt first), or call buildAddon(), which leaves
 * the event loop free. Exit codes: 0 the addon is current; 3 tools are missing; 1 the build failed.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface BuildOutcome {
  readonly status: "current" | "tools-missing" | "failed";
  /** For people, one line or more. */
  readonly detail: string;
  /** What installs the missing tools on Debian and its kin; "" where none are missing. */
  readonly command: string;
}

export interface BuildOptions {
  /** As root, install missing tools by apt. */
  readonly install?: boolean;
  /** Told what goes on, for people. */
  readonly say?: (line: string) => void;
}

const EXIT_CODES = { current: 0, "tools-missing": 3, failed: 1 } as const;
const LOG_LINES_SHOWN = 20;
const PACKAGES = ["g++", "make", "python3"]; // apt leaves alone what is there already.

/** Makes the addon current; never throws for what a machine can lack. */
export async function buildAddon(options: BuildOptions = {}): Promise<BuildOutcome> {
  const say = options.say ?? (() => undefined);
  const nativeFolder = findNativeFolder(dirname(fileURLToPath(import.meta.url)));
  if (process.platform !== "linux") return outcome("failed", `the native addon is for Linux; this is ${process.platform}`);
  const build = (): Promise<Run> => run(process.execPath, [join(nativeFolder, "..", "bin", "build-native.mjs")]);
  let built = await build();
  if (built.exitCode === EXIT_CODES["tools-missing"] && options.install === true && (await install(say))) built = await build();
  if (built.exitCode === 0) return outcome("current", "the native addon is built and up to date");
  if (built.exitCode === EXIT_CODES["tools-missing"]) return toolsMissing(built.log.trim());
  if (!isWritable(nativeFolder)) return outcome("failed", `the native addon cannot be built: ${nativeFolder} is not writable for this user`);
  return outcome("failed", `the native addon does not build:\n${built.log}`);
}

function outcome(status: BuildOutcome["status"], detail: string, command = ""): BuildOutcome {
  return { status, detail, command };
}

function toolsMissing(what: string): BuildOutcome {
  const command = `${process.getuid?.() === 0 ? "" : "sudo "}apt-get install -y ${PACKAGES.join(" ")}`;
  return outcome("tools-missing", `the native addon cannot be built: ${what}; install with: ${command}`, command);
}

/** The folder with binding.gyp: this file's own, or near it where this file was compiled to another place. */
function findNativeFolder(from: string): string {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const found = [folder, join(folder, "native")].find((candidate) => existsSync(join(candidate, "binding.gyp")));
    if (found !== undefined) return found;
  }
  return from;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false; // An installation that belongs to another user.
  }
}

async function install(say: (line: string) => void): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  say(`Installing ${PACKAGES.join(", ")} by apt, for the native addon`);
  await run("apt-get", ["update", "-q"]); // It may fail in part; the installation tells.
  const installed = await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...PACKAGES]);
  if (installed.exitCode !== 0) say(installed.log);
  return installed.exitCode === 0;
}

interface Run {
  readonly exitCode: number;
  /** The last lines of what it printed. */
  readonly log: string;
}

function run(program: string, words: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(program, words, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    const keep = (text: Buffer): void => {
      log = (log + text.toString("utf8")).split("\n").slice(-LOG_LINES_SHOWN).join("\n");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ exitCode: 127, log: error.message }));
    child.on("close", (code) => resolve({ exitCode: code ?? 1, log }));
  });
}

if (import.meta.main) {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const result = await buildAddon({ install: process.argv.includes("--install"), say });
  say(result.detail);
  process.exitCode = EXIT_CODES[result.status];
}
