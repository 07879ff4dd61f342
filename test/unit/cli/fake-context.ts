/** A command line without a machine: operations, terminal, clock and files are what a test says. */
import type { Context, Machine } from "../../../src/cli/context.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { NO_CONFIG } from "../../../src/app/index.ts";
import type { Config, Entry, Operations, RootStatus, StatusAnswer } from "../../../src/app/index.ts";
import { byteStringOfText, RainbowError } from "../../../src/core/index.ts";
import type { ByteString, NodeId, TimeUs } from "../../../src/core/index.ts";

export const NOW_US = Date.parse("2026-05-01T09:30:00Z") * 1000;
export const HOME = "/home/me";
export const PROTECTED = `${HOME}/docs`;

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Fake {
  readonly operations?: Partial<Operations>;
  /** Answers by a running instance rather than by opening the data directory. */
  readonly isRunning?: boolean;
  readonly isDataDirectory?: boolean;
  readonly config?: Config;
  readonly machine?: Partial<Machine>;
  /** Names that exist on disk, with what they are. */
  readonly files?: Readonly<Record<string, "file" | "directory">>;
  readonly answer?: string;
  readonly isTerminal?: boolean;
  readonly zone?: string;
  /** Aborts when the clock has slept so often. */
  readonly sleepsUntilInterrupt?: number;
  readonly uid?: number;
}

export function bytes(text: string): ByteString {
  return byteStringOfText(text);
}

export function entry(path: string, more: Partial<Entry> = {}): Entry & { readonly type: "entry"; readonly depth: number } {
  const name = bytes(path.slice(path.lastIndexOf("/") + 1));
  const plain = {
    node: 7,
    kind: "file",
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    sizeBytes: 4096,
    mtimeSeconds: 1_777_000_000,
    mtimeNanos: 5,
    linkCount: 1,
  } as const;
  return { type: "entry", depth: 1, path: bytes(path), name, ...plain, linkTarget: bytes(""), unsettled: false, purged: null, ...more };
}

export function root(path: string, more: Partial<RootStatus> = {}): RootStatus {
  const options = { crossMounts: false, rules: [], fileBytesMax: 0 };
  const plain = { state: "watching", firstScanDone: true, nodeCount: 3, bytes: 5000, unwatchedDirectoryCount: 0, lastReconcileUs: undefined } as const;
  return { root: 9 as NodeId, path: bytes(path), options, ...plain, ...more };
}

export function statusAnswer(more: Partial<StatusAnswer> = {}): StatusAnswer {
  return {
    running: true,
    pid: 42,
    version: "0.1.0",
    dataDirectory: "/data",
    machine: "11111111-2222-3333-4444-555555555555",
    label: "box",
    state: "protecting",
    reasons: [],
    replay: undefined,
    source: "watch",
    limits: [],
    lacks: [],
    roots: [root(PROTECTED)],
    mirrors: [],
    scan: undefined,
    dirtyCount: 0,
    unacknowledgedBatches: 0,
    headRevision: 4821,
    headTimeUs: NOW_US - 2e6,
    windowRevision: 0,
    windowTimeUs: NOW_US - 86_400e6,
    gaps: [],
    storedBytes: 1 << 20,
    payloadBytes: 1 << 19,
    metadataBytes: 1000,
    eventBytes: 2000,
    freeDiskBytes: 2 ** 33,
    quotaBytes: 0,
    retentionNotices: [],
    auditNotices: [],
    events: "embedded",
    ...more,
  };
}

export const AS_OF = { type: "as-of", revision: 4821, timeUs: Date.parse("2026-05-01T09:00:00.123Z") * 1000, warnings: [] } as const;

export async function* items<All extends readonly unknown[]>(...all: All): AsyncGenerator<All[number]> {
  for (const item of all) yield item as Awaited<All[number]>;
}

/** What `rainbow WORDS…` does over `fake`. */
export async function rainbow(words: readonly string[], fake: Fake = {}): Promise<Answer> {
  const out: Uint8Array[] = [];
  const talk: string[] = [];
  const abort = new AbortController();
  const context = contextOf(fake, abort, out, talk);
  const exitCode = await runProgram(words, context);
  return { exitCode, stdout: Buffer.concat(out).toString(), stderr: talk.join("") };
}

function contextOf(fake: Fake, abort: AbortController, out: Uint8Array[], talk: string[]): Context {
  let monotonicUs = 0;
  let sleeps = 0;
  return {
    version: "0.1.0",
    program: "rainbow",
    uid: fake.uid ?? 1000,
    cwd: bytes(PROTECTED),
    zone: fake.zone ?? "Asia/Shanghai",
    clock: {
      now: () => (NOW_US + monotonicUs) as TimeUs,
      monotonicUs: () => monotonicUs,
      sleep: async (delayMs) => {
        monotonicUs += delayMs * 1000;
        if (++sleeps === fake.sleepsUntilInterrupt) abort.abort();
      },
    },
    stdout: { isTerminal: false, columnCount: 100, write: async (data) => void out.push(Buffer.from(data)) },
    stderr: { isTerminal: fake.isTerminal === true, columnCount: 100, write: async (data) => void talk.push(Buffer.from(data).toString()) },
    signal: abort.signal,
    interruptedExitCode: () => 130,
    ask: async () => fake.answer,
    machine: { ...machineOf(fake), ...fake.machine },
  };
}

function machineOf(fake: Fake): Machine {
  const operations = operationsOf(fake.operations ?? {});
  const kinds = new Map(Object.entries({ [PROTECTED]: "directory" as const, ...fake.files }));
  return {
    readConfig: () => fake.config ?? NO_CONFIG,
    defaultConfigFile: () => "/etc/rainbow/rainbow.json",
    checkConfig: () => Promise.resolve(),
    chooseDataDirectory: (option) => option ?? "/data",
    isDefaultDataDirectory: (path) => path === "/data",
    isDataDirectory: () => fake.isDataDirectory ?? true,
    connect: async () => (fake.isRunning === true ? { operations, pid: 42, close: () => undefined } : undefined),
    open: async ({ create, dataDirectory }) => {
      if (fake.isDataDirectory === false && !create) throw new RainbowError("NO_STORE", `${dataDirectory}: there is no Rainbow data directory there`);
      return { operations, close: async () => undefined };
    },
    async *copyEvents() {
      yield* [];
    },
    async *verifyEvents() {
      yield* [];
    },
    storedHeads: async () => "",
    async *listRsync() {
      yield* [];
    },
    rsyncPassword: () => undefined,
    serve: async () => ({ close: async () => undefined }),
    installService: () => {
      throw new Error("no service in this test");
    },
    existsAt: (path) => kinds.has(path),
    kindAt: (path) => kinds.get(path),
    realPathOf: (path) => path,
    readLines: () => [],
    runCommand: () => Promise.resolve(0),
    sharesDisk: async () => false,
  };
}

/** Operations that were not given fail the test; one root is protected and nothing is named, unless said. */
function operationsOf(given: Partial<Operations>): Operations {
  const all: Partial<Operations> = {
    roots: async () => [root(PROTECTED)],
    snapshots: async () => [],
    mirrors: async () => [],
    stat: async ({ path }) => notFound(path),
    ...given,
  };
  return new Proxy(all as Operations, {
    get: (target, name: keyof Operations | "then") => {
      if (name === "then") return undefined; // It passes through promises.
      return target[name] ?? (() => Promise.reject(new Error(`the command called ${name}`)));
    },
  });
}

export function notFound(path: string): never {
  throw new RainbowError("NOT_FOUND", `'${path}' did not exist at r4821`);
}
