/** The entry of the command line: takes what it needs of this process, runs one command, ends with its exit code. */
import { existsSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  checkConfig,
  chooseDataDirectory,
  connectRunning,
  copyEvents,
  defaultConfigFile,
  eventsAddress,
  existsAt,
  installService,
  isDataDirectory,
  kindAt,
  listRsync,
  openRainbow,
  readConfig,
  readLines,
  realDataDirectory,
  realPathOf,
  runCommand,
  serveRunning,
  sharesDisk,
  storedHeads,
  systemClock,
  systemRandom,
  verifyEvents,
} from "../app/index.ts";
import type { RunningPlace } from "../app/index.ts";
import { byteStringOf, bytesOf, EXIT, RainbowError } from "../core/index.ts";
import type { ByteString, Clock } from "../core/index.ts";
import type { Context, Machine, Output } from "./context.ts";
import { argumentBytes, argumentOf } from "./format/index.ts";
import { namedCommand, reportFailure, runProgram } from "./program.ts";

const REPEAT_MS = 1000; // Under npm one Ctrl-C arrives twice within a millisecond.
const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const abort = new AbortController();
let interruptedExitCode: number = EXIT.interrupted;

/** Under npm start: does the script run in our own package, so that INIT_CWD is where the user stood? */
const isUnderNpm = process.env["npm_lifecycle_event"] !== undefined && process.env["npm_package_json"] === join(PACKAGE, "package.json");

/** Raw bytes of argv or of an environment variable, where Node's text lost some. */
function rawWords(): string[] {
  const words = process.argv.slice(2);
  if (!words.some((each) => each.includes("\ufffd"))) return words;
  return nulSeparated("/proc/self/cmdline").slice(-words.length).map(argumentOf);
}

function nulSeparated(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const parts: Buffer[] = [];
  for (let from = 0, end = bytes.indexOf(0); end !== -1; from = end + 1, end = bytes.indexOf(0, from)) parts.push(bytes.subarray(from, end));
  return parts;
}

function workingDirectory(): ByteString {
  const initial = isUnderNpm ? process.env["INIT_CWD"] : undefined;
  if (initial?.includes("\ufffd") === true) {
    const raw = nulSeparated("/proc/self/environ").find((each) => each.subarray(0, 9).toString() === "INIT_CWD=");
    if (raw !== undefined) return byteStringOf(raw.subarray(9));
  }
  if (initial !== undefined) return argumentBytes(initial);
  try {
    return byteStringOf(readlinkSync("/proc/self/cwd", { encoding: "buffer" }));
  } catch {
    return argumentBytes(process.cwd());
  }
}

/** Older npm changes to the package's owner under sudo; then nothing of the caller's could be read, or too much. */
function refuseOtherUser(): void {
  if (!isUnderNpm || process.getuid === undefined) return;
  let callerUid: number;
  try {
    callerUid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${process.ppid}/status`, "utf8"))?.[1]);
  } catch {
    return; // No /proc: npm on such a system does not change the user.
  }
  if (Number.isNaN(callerUid) || callerUid === process.getuid()) return;
  const what = `npm changed the user from ${callerUid} to ${process.getuid()} (${userInfo().username}), who owns ${PACKAGE}`;
  throw new RainbowError("USAGE", `${what}: run ${join(PACKAGE, "bin/rainbow")} directly, or as that user`, { callerUid, uid: process.getuid() });
}

function outputOf(stream: NodeJS.WriteStream, isUp: boolean): Output {
  let isClosed = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    isClosed = true;
    if (isUp) return; // It protects on, whoever stopped listening.
    if (error.code === "EPIPE") interruptedExitCode = EXIT.ok; // `rainbow log x | head` is done, and well.
    abort.abort();
  });
  return {
    isTerminal: stream.isTTY === true,
    get columnCount() {
      return stream.columns ?? 80;
    },
    write: (data) =>
      new Promise((resolve) => {
        if (isClosed || data.length === 0) return resolve();
        stream.write(data, () => resolve()); // Called with the error too; its handler has seen it by then.
      }),
  };
}

async function ask(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      lines.question(question, resolve);
      lines.once("close", () => resolve(undefined));
      lines.once("SIGINT", () => lines.close());
    });
  } finally {
    lines.close();
  }
}

/** "rainbow" where the PATH leads here, else the path of bin/rainbow. */
function programName(): string {
  const own = join(PACKAGE, "bin/rainbow");
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "rainbow"));
  const first = onPath.find((path) => existsSync(path)); // A folder of the PATH may be closed to us.
  return first !== undefined && realOf(first) === realOf(own) ? "rainbow" : own;
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Where the events are to be, by the environment or the configuration. */
function eventsOf(value: string | undefined): { readonly events?: string } {
  return value === undefined || value === "" ? {} : { events: value };
}

function machineOf(clock: Clock, version: string): Machine {
  const surroundings = { env: process.env, uid: process.getuid?.() ?? -1, home: homedir(), cwd: bytesOf(workingDirectory()).toString() };
  const place = (dataDirectory: string): RunningPlace => ({ dataDirectory, runtimeDirectory: process.env["XDG_RUNTIME_DIR"], uid: surroundings.uid });
  const unnamed = { ...surroundings, env: { ...process.env, RAINBOW_DATA_DIR: undefined } };
  const isDefaultDataDirectory = (path: string): boolean => realDataDirectory(chooseDataDirectory(undefined, unnamed)) === path;
  return {
    readConfig: (option, dataDirectory) => readConfig(option, dataDirectory ?? process.env["RAINBOW_DATA_DIR"], surroundings),
    defaultConfigFile: () => defaultConfigFile(surroundings),
    checkConfig,
    chooseDataDirectory: (option, config) => realDataDirectory(chooseDataDirectory(option, surroundings, config.dataDirectory)),
    isDataDirectory,
    connect: (dataDirectory) => connectRunning(place(dataDirectory)),
    open: (options, config) =>
      openRainbow({ ...eventsOf(eventsAddress(config)), ...eventsOf(process.env["RAINBOW_EVENTS"]), ...options, version, clock, random: systemRandom() }),
    copyEvents: (request) => copyEvents({ ...request, clock, random: systemRandom() }),
    verifyEvents: (request) => verifyEvents({ ...request, clock, random: systemRandom() }),
    storedHeads: (request) => storedHeads({ ...request, clock, random: systemRandom() }),
    serve: (operations, dataDirectory, signal) => serveRunning(operations, place(dataDirectory), { version, signal }),
    isDefaultDataDirectory,
    installService: (options) => {
      const paths = { node: process.execPath, program: join(PACKAGE, "bin/rainbow"), home: surroundings.home, configDirectory: process.env["XDG_CONFIG_HOME"] };
      return installService({ ...options, ...paths, isDefaultDirectory: isDefaultDataDirectory(options.dataDirectory) });
    },
    listRsync: (request) => listRsync({ ...request, environment: process.env }),
    rsyncPassword: () => process.env["RSYNC_PASSWORD"],
    existsAt,
    kindAt,
    realPathOf,
    readLines,
    runCommand,
    sharesDisk,
  };
}

/** The first signal asks for a clean end; one that comes a second later or more ends at once. */
function listenForSignals(): void {
  const codes = { SIGINT: EXIT.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;
  let firstMs: number | undefined;
  for (const [signal, exitCode] of Object.entries(codes)) {
    process.on(signal, () => {
      const nowMs = performance.now();
      if (firstMs !== undefined && nowMs - firstMs >= REPEAT_MS) process.exit(exitCode);
      if (firstMs === undefined) interruptedExitCode = exitCode;
      firstMs ??= nowMs;
      abort.abort();
    });
  }
}

async function main(): Promise<number> {
  process.umask(0o077);
  listenForSignals();
  const { version } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { readonly version: string };
  const clock = systemClock();
  const words = rawWords();
  const isUp = namedCommand(words) === "up";
  let zone: string | undefined; // Asked for when it is needed: it costs a third of the start.
  const context: Context = {
    version,
    program: programName(),
    uid: process.getuid?.() ?? -1,
    cwd: workingDirectory(),
    get zone() {
      return (zone ??= Intl.DateTimeFormat().resolvedOptions().timeZone);
    },
    clock,
    stdout: outputOf(process.stdout, isUp),
    stderr: outputOf(process.stderr, isUp),
    signal: abort.signal,
    interruptedExitCode: () => interruptedExitCode,
    ask,
    machine: machineOf(clock, version),
  };
  try {
    refuseOtherUser();
  } catch (error) {
    return reportFailure(error, context);
  }
  return runProgram(words, context);
}

process.exitCode = await main();
// Whatever still holds the process (a stream that nobody reads) is not waited for: everything asked for is done and written.
process.exit();
