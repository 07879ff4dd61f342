/** A mirror under test: an rsync daemon over a tree, a store, a plain file list, and what the reference client makes of the same tree. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "uvu";
import { SYNC_OPTIONS, syncMirror } from "../../src/actors/mirror/index.ts";
import type { Dial, MirrorSource, SyncItem, SyncMemory, SyncOptions, SyncOutcome, SyncPhase, SyncProgress } from "../../src/actors/mirror/index.ts";
import { openOs, openXxh3, openZstdStreams } from "../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../src/app/platform.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import type { ByteString, Clock, Os, Stat, TimeUs } from "../../src/core/index.ts";
import { displayOf, listingCount, listingName } from "../../src/core/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import type { MirrorFiles } from "../../src/projections/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { bytePath } from "./compare-trees.ts";
import { MemoryMirrorFiles } from "./memory-mirror-files.ts";
import { startRsyncDaemon } from "./rsync-daemon.ts";
import type { RsyncDaemon } from "./rsync-daemon.ts";
import { hasCommand, skipped } from "./skip.ts";
import { temporaryDirectory } from "./temp.ts";

export const rigOs = openOs();
const digests = await openDigests(openXxh3());

export interface Synced extends SyncOutcome {
  readonly items: readonly SyncItem[];
  readonly phases: readonly SyncPhase[];
  readonly messages: readonly string[];
}

export interface RigOptions {
  readonly store?: ObjectStore;
  readonly files?: MirrorFiles;
  readonly dial?: Dial;
  readonly settings?: Readonly<Record<string, string>>;
  /** Other users can reach the upstream: a daemon that reads as somebody else. */
  readonly isOpen?: boolean;
}

interface Other {
  readonly signal?: AbortSignal;
  readonly source?: MirrorSource;
  readonly started?: (progress: () => SyncProgress) => void;
}

export class MirrorRig {
  readonly upstream: string;
  readonly target: string;
  readonly daemon: RsyncDaemon;
  store: ObjectStore;
  files: MirrorFiles;
  dial: Dial;
  /** As a process that starts anew has it. */
  memory: SyncMemory = { seed: 77, refusesSeed: false, hasTidied: false };
  readonly source: MirrorSource;
  /** What was slept, all in all. */
  sleptMs = 0;
  private skippedMs = 0;

  private constructor(upstream: string, target: string, daemon: RsyncDaemon, options: RigOptions) {
    this.upstream = upstream;
    this.target = target;
    this.daemon = daemon;
    this.store = options.store ?? openDirectoryStore({ path: bytePath(target), os: rigOs, random: systemRandom() });
    this.files = options.files ?? new MemoryMirrorFiles();
    this.dial = options.dial ?? dialTcp;
    const address = { host: "127.0.0.1", port: daemon.port, family: undefined, localAddress: undefined };
    this.source = { address, module: "tree", path: "" as ByteString, login: undefined };
  }

  static async open(options: RigOptions = {}): Promise<MirrorRig> {
    const root = temporaryDirectory("mirror");
    const [upstream, target] = [join(root, "upstream"), join(root, "target")];
    mkdirSync(upstream);
    mkdirSync(target);
    if (options.isOpen === true) chmodSync(root, 0o755);
    const daemon = await startRsyncDaemon({ tree: { path: upstream, ...options.settings } });
    return new MirrorRig(upstream, target, daemon, options);
  }

  /** Another store and file list from here on. */
  use(store: ObjectStore, files: MirrorFiles): void {
    this.store = store;
    this.files = files;
  }

  /** As a process that starts anew. */
  forget(): void {
    this.memory = { seed: 77, refusesSeed: false, hasTidied: false };
  }

  skipTime(ms: number): void {
    this.skippedMs += ms;
  }

  /** The system's clock, with what was skipped; sleeps are real. */
  private clock(): Clock {
    const clock = systemClock();
    const skippedUs = (): number => this.skippedMs * 1000;
    return {
      now: () => (clock.now() + skippedUs()) as TimeUs,
      monotonicUs: () => clock.monotonicUs() + skippedUs(),
      sleep: async (delayMs, signal) => {
        await clock.sleep(delayMs, signal);
        if (signal?.aborted !== true) this.sleptMs += delayMs;
      },
    };
  }

  async sync(changes: Partial<SyncOptions> = {}, other: Other = {}): Promise<Synced> {
    const items: SyncItem[] = [];
    const phases: SyncPhase[] = [];
    const messages: string[] = [];
    const watcher = {
      started: (progress: () => SyncProgress) => other.started?.(progress),
      phase: (phase: SyncPhase) => void phases.push(phase),
      item: (item: SyncItem) => void items.push(item),
      message: (text: string) => void messages.push(text),
    };
    const { dial, store, files, memory } = this;
    const parts = { dial, store, files, source: other.source ?? this.source, memory, clock: this.clock(), digests, openZstdStream: openZstdStreams() };
    const outcome = await syncMirror(parts, { ...SYNC_OPTIONS, ...changes }, "test", watcher, other.signal ?? new AbortController().signal);
    return { ...outcome, items, phases, messages };
  }

  /** What differs between the target and a plain `rsync -rlpt` of the upstream. */
  differences(...words: readonly string[]): string[] {
    const reference = temporaryDirectory("reference");
    const options = ["-rlpt", "--modify-window=-1", ...words]; // Times to the nanosecond, which it would else take for equal.
    const { status, stderr } = spawnSync("rsync", [...options, `${this.daemon.url}/tree/`, `${reference}/`], { encoding: "utf8" });
    if (status !== 0) throw new Error(`the reference client ended with ${status}: ${stderr}`);
    return plainDifferences(rigOs, bytePath(reference), bytePath(this.target));
  }

  close(): Promise<void> {
    return this.daemon.stop();
  }
}

/** Declares cases of a suite, each with a rig of its own. */
export function riggedCases(test: Test): (name: string, body: (rig: MirrorRig) => Promise<void>, options?: RigOptions) => void {
  return (name, body, options) =>
    test(name, async () => {
      if (!hasCommand("rsync")) return skipped(`mirror: ${name}`, "rsync is not installed");
      const rig = await MirrorRig.open(options);
      try {
        await body(rig);
      } finally {
        await rig.close();
      }
    });
}

/** Differences in what `rsync -rlpt` keeps, one a line. */
export function plainDifferences(os: Os, left: ByteString, right: ByteString): string[] {
  const found: string[] = [];
  const walk = (relative: string): void => {
    const [a, b] = [`${left}${relative}` as ByteString, `${right}${relative}` as ByteString];
    const [x, y] = [os.lstat(a), os.lstat(b)];
    const differ = (what: string): void => void found.push(`${displayOf(relative as ByteString)}: ${what}`);
    const fields: readonly (keyof Stat)[] =
      x.kind === "directory" ? ["kind", "mode", "mtimeSeconds", "mtimeNanos"] : ["kind", "mode", "mtimeSeconds", "mtimeNanos", "sizeBytes"];
    for (const field of fields) if (x[field] !== y[field]) differ(`${field} ${x[field]} and ${y[field]}`);
    if (x.kind !== y.kind) return;
    if (x.kind === "symlink" && os.readlink(a) !== os.readlink(b)) differ("target");
    if (x.kind === "file" && !contentOf(os, a).equals(contentOf(os, b))) differ("content");
    if (x.kind !== "directory") return;
    const [names, others] = [namesOf(os, a), namesOf(os, b)];
    for (const name of names) if (!others.has(name)) differ(`'${displayOf(name)}' is missing`);
    for (const name of others) if (!names.has(name)) differ(`'${displayOf(name)}' is too many`);
    for (const name of names) if (others.has(name)) walk(`${relative}/${name}`);
  };
  walk("");
  return found;
}

function namesOf(os: Os, path: ByteString): Set<ByteString> {
  const listing = os.listDirectory(path);
  const names = Array.from({ length: listingCount(listing) }, (_, i) => listingName(listing, i));
  return new Set(names.filter((name) => name !== ".rainbow"));
}

function contentOf(os: Os, path: ByteString): Buffer {
  const fd = os.openRead(path);
  try {
    const { sizeBytes } = os.fstat(fd);
    const bytes = Buffer.alloc(sizeBytes);
    return bytes.subarray(0, os.read(fd, bytes, 0));
  } finally {
    os.close(fd);
  }
}
