/**
 * Runs the syncs of a data directory's mirrors: a life for each, by its schedule where this is a host, and syncs of people's own, which
 * take their turn between those. One sync of a mirror at a time; a few mirrors at once.
 */
import { createHash } from "node:crypto";
import { createActor, fromPromise } from "xstate";
import type { Actor } from "xstate";
import { mirrorActor, mirrorAlarms, nextStartMs, syncMirror } from "../../actors/mirror/index.ts";
import type { BrokenUpload, Dial, SyncMemory, SyncOptions, SyncOutcome, SyncPhase, SyncProgress, SyncWatcher } from "../../actors/mirror/index.ts";
import { writeLateAttributes, writeSomeLateDigests } from "../../actors/mirror-files/index.ts";
import type { OpenedMirror } from "../../actors/mirror-files/index.ts";
import { RainbowError } from "../../core/index.ts";
import type { ByteString, Clock, Random } from "../../core/index.ts";
import type { Digests, OpenZstdStream } from "../../rsync/index.ts";
import type { Mirrors } from "../mirrors.ts";
import type { MirrorSettings } from "../operations/index.ts";
import { readBrokenUploads, writeBrokenUploads } from "./broken-uploads-file.ts";
import type { SyncHistory } from "./history.ts";
import { loginOf } from "./passwords.ts";
import type { ScrubParts } from "./scrubbing.ts";
import { scrubAfterSync, together } from "./scrubbing.ts";
import { settingsOf, syncOptionsOf } from "./settings.ts";
import type { LoginDigest } from "./settings.ts";
import { mirrorSource, parseSource } from "./source.ts";
import { Turns } from "./turns.ts";

const MIRRORS_AT_ONCE = 4; // Each may hold two hundred megabytes of parts and lists.
const LATE_PER_SYNC = 100; // Attributes of before that a sync writes when all else is done: a few, as each may cost a copy.
const CHECKPOINT_BYTES = 256 << 20; // Of one file: a killed process fetches about so much of it again.
/** Digests that a sync writes late: each is a copy of an object of more than 8 MiB, which some stores carry out byte by byte. */
const LATE_DIGESTS_PER_SYNC = { countMax: 100, bytesMax: 8 * 2 ** 30 };
const US_PER_MS = 1000;

export interface MirrorRunnerOptions {
  readonly mirrors: Mirrors;
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: Dial;
  readonly digests: () => Promise<Digests>;
  readonly openZstdStream: OpenZstdStream | undefined;
  /** Where passwords may stand. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Syncs by themselves; otherwise only when somebody asks. */
  readonly isScheduled: boolean;
  /** What a mirror's stream says of its syncs. */
  readonly history: (mirror: OpenedMirror) => Promise<SyncHistory>;
}

/** A sync that somebody asked for and waits for. */
export interface AskedSync {
  /** Over those of the mirror. */
  readonly settings: MirrorSettings;
  readonly dryRun: boolean;
  readonly password: string | undefined;
  readonly watcher: SyncWatcher;
}

export interface LifeStatus {
  readonly state: "waiting" | "syncing" | "backing-off";
  readonly phase: string;
  readonly nextRunUs: number | undefined;
  /** Of a sync that runs. */
  readonly progress: SyncProgress | undefined;
  readonly alarms: readonly string[];
}

/** One mirror among all of a host. */
export interface LifeBrief {
  readonly name: string;
  readonly state: LifeStatus["state"];
  readonly phase: string;
  readonly nextRunUs: number | undefined;
  readonly lastUpdatedUs: number | undefined;
  readonly heldBecause: string;
  readonly failure: string;
}

interface Waiter {
  readonly watcher: SyncWatcher;
  readonly resolve: (outcome: SyncOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Life {
  readonly name: string;
  readonly actor: Actor<typeof mirrorActor>;
  readonly turns: Turns;
  readonly memory: SyncMemory;
  readonly stop: AbortController;
  /** Who wait for the next plain sync. */
  waiters: Waiter[];
  /** Of a sync of somebody's own, or other work that no sync runs beside; "" where none runs. */
  ownPhase: string;
  progress: (() => SyncProgress) | undefined;
  /** Of the last sync that reached its end. */
  lastUpdatedUs: number | undefined;
  heldBecause: string;
  /** What the last sync found when it read files back; "" where all was well. */
  scrubAlarm: string;
}

export class MirrorRunner {
  private readonly options: MirrorRunnerOptions;
  private readonly lives = new Map<string, Promise<Life>>();
  private readonly places = new Turns(MIRRORS_AT_ONCE);
  private problem = "";

  constructor(options: MirrorRunnerOptions) {
    this.options = options;
  }

  /** Every mirror begins to live by its schedule. What stands in the way is an alarm: the host has other work as well. */
  async start(): Promise<void> {
    try {
      for (const mirror of await this.options.mirrors.all()) await this.lifeOf(mirror);
    } catch (error) {
      this.problem = `mirrors could not be opened: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Of all mirrors, for the status of the host. */
  async alarms(): Promise<string[]> {
    const lives = await Promise.all([...this.lives.values()].map((life) => life.catch(() => undefined)));
    const alarms = lives.flatMap((life) => (life === undefined ? [] : alarmsOf(life).map((text) => `mirror ${life.name}: ${text}`)));
    return this.problem === "" ? alarms : [this.problem, ...alarms];
  }

  async status(mirror: OpenedMirror): Promise<LifeStatus> {
    const life = await this.lives.get(mirror.machine.machine);
    return life === undefined ? { state: "waiting", phase: "", nextRunUs: undefined, progress: undefined, alarms: [] } : this.statusOf(life);
  }

  /** All that live here, by name. */
  async briefs(): Promise<LifeBrief[]> {
    const lives = await Promise.all([...this.lives.values()].map((life) => life.catch(() => undefined)));
    const briefs = lives.flatMap((life) => {
      if (life === undefined) return [];
      const { name, lastUpdatedUs, heldBecause, actor } = life;
      const { state, phase, nextRunUs } = this.statusOf(life);
      const { failure } = actor.getSnapshot().context;
      return [{ name, state, phase, nextRunUs, lastUpdatedUs, heldBecause, failure: failure instanceof Error ? failure.message : "" }];
    });
    return briefs.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private statusOf(life: Life): LifeStatus {
    const snapshot = life.actor.getSnapshot();
    const alarms = alarmsOf(life);
    const nextMs = snapshot.matches("backingOff") ? undefined : nextStartMs(snapshot.context);
    const nextRunUs = nextMs === undefined ? undefined : nextMs * US_PER_MS;
    const common = { nextRunUs, alarms, progress: life.progress?.() };
    if (life.ownPhase !== "") return { ...common, state: "syncing", phase: life.ownPhase };
    if (snapshot.matches("syncing")) return { ...common, state: "syncing", phase: Object.values(snapshot.value)[0] as string };
    return { ...common, state: snapshot.matches("backingOff") ? "backing-off" : "waiting", phase: "" };
  }

  /** Asks for a sync and does not wait. */
  async trigger(mirror: OpenedMirror): Promise<void> {
    (await this.lifeOf(mirror)).actor.send({ type: "TRIGGER", cause: "trigger" });
  }

  /** One sync from its start to its end. A plain one is also the mirror's next, whoever else asked for it. */
  async sync(mirror: OpenedMirror, asked: AskedSync): Promise<SyncOutcome> {
    const life = await this.lifeOf(mirror);
    const isPlain = !asked.dryRun && asked.password === undefined && Object.keys(asked.settings).length === 0;
    if (!isPlain) return this.syncOwn(life, asked);
    return new Promise((resolve, reject) => {
      life.waiters.push({ watcher: asked.watcher, resolve, reject });
      life.actor.send({ type: "TRIGGER", cause: "command" });
    });
  }

  private syncOwn(life: Life, asked: AskedSync): Promise<SyncOutcome> {
    const phase = (name: SyncPhase): void => {
      life.ownPhase = name;
      asked.watcher.phase(name);
    };
    const watcher: SyncWatcher = { ...forwarding([asked.watcher]), phase };
    return this.inTurn(life, async () => {
      try {
        return await this.carryOut(life, { ...asked, watcher }, "command", life.stop.signal);
      } finally {
        life.ownPhase = "";
      }
    });
  }

  /** Work on a mirror's file list that no sync may run beside. `onWait` is called where a sync must end first. */
  async alone<T>(mirror: OpenedMirror, onWait: () => void, action: () => Promise<T>, phase: SyncPhase | "" = ""): Promise<T> {
    const life = await this.lifeOf(mirror);
    if (!life.turns.isFree) onWait();
    return life.turns.take(async () => {
      life.ownPhase = phase;
      try {
        return await action();
      } finally {
        life.ownPhase = "";
      }
    });
  }

  /** Its definition changed, or it is to be removed. BUSY while it syncs. */
  async forget(mirror: OpenedMirror): Promise<void> {
    const life = await this.lives.get(mirror.machine.machine);
    if (life === undefined) return;
    if (!life.turns.isFree) throw new RainbowError("BUSY", `the mirror '${life.name}' syncs just now: try again when it has ended`, { name: life.name });
    this.lives.delete(mirror.machine.machine);
    await endOf(life);
  }

  /** As at the start of the host, for one that is new or was changed. */
  async adopt(mirror: OpenedMirror): Promise<void> {
    if (this.options.isScheduled) await this.lifeOf(mirror);
  }

  /** Ends all syncs; what they recorded counts. */
  async close(): Promise<void> {
    const lives = await Promise.all([...this.lives.values()].map((life) => life.catch(() => undefined)));
    this.lives.clear();
    await Promise.all(lives.flatMap((life) => (life === undefined ? [] : [endOf(life)])));
  }

  private lifeOf(mirror: OpenedMirror): Promise<Life> {
    const id = mirror.machine.machine;
    const known = this.lives.get(id) ?? this.begin(mirror);
    this.lives.set(id, known);
    known.catch(() => this.lives.delete(id));
    return known;
  }

  private async begin(mirror: OpenedMirror): Promise<Life> {
    const { clock, random, isScheduled } = this.options;
    const { label, options } = mirror.definition();
    const { everyMs } = settingsOf(options);
    const { lastStartedUs: startedUs, lastUpdatedUs, finished } = await this.options.history(mirror);
    const sync = fromPromise<SyncOutcome, { readonly cause: string }>(({ input, signal }) => this.syncPlain(life, input.cause, signal));
    const actor = createActor(mirrorActor.provide({ actors: { sync } }), {
      input: {
        everyMs: isScheduled && everyMs !== 0 ? everyMs : undefined,
        lastStartedMs: startedUs === undefined ? undefined : startedUs / US_PER_MS,
        nowMs: () => clock.now() / US_PER_MS,
        jitter: () => random.bytes(4).readUInt32LE(0) / 2 ** 32,
      },
    });
    const brokenUploads = readBrokenUploads(this.options.mirrors.brokenUploadsFile(mirror));
    const memory = { seed: seedOf(mirror), refusesSeed: false, hasTidied: false, brokenUploads };
    const life: Life = {
      name: label,
      actor,
      turns: new Turns(),
      memory,
      stop: new AbortController(),
      waiters: [],
      ownPhase: "",
      progress: undefined,
      lastUpdatedUs,
      heldBecause: finished?.heldBecause ?? "",
      scrubAlarm: "",
    };
    actor.start();
    return life;
  }

  /** What the actor runs. */
  private async syncPlain(life: Life, cause: string, signal: AbortSignal): Promise<SyncOutcome> {
    let waiters: Waiter[] = [];
    const stop = AbortSignal.any([life.stop.signal, signal]); // The life's own says why.
    try {
      const outcome = await this.inTurn(life, () => {
        waiters = life.waiters; // Whoever asks from here on is served by the next one.
        life.waiters = [];
        return this.carryOut(life, { settings: {}, dryRun: false, password: undefined, watcher: this.watcherOf(life, waiters) }, cause, stop);
      });
      for (const waiter of waiters) waiter.resolve(outcome);
      return outcome;
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error);
      throw error;
    }
  }

  private watcherOf(life: Life, waiters: readonly Waiter[]): SyncWatcher {
    return {
      ...forwarding(waiters.map(({ watcher }) => watcher)),
      phase: (phase) => {
        life.actor.send({ type: "PHASE", phase });
        for (const { watcher } of waiters) watcher.phase(phase);
      },
    };
  }

  private inTurn<T>(life: Life, action: () => Promise<T>): Promise<T> {
    return life.turns.take(() => this.places.take(action));
  }

  private async carryOut(life: Life, asked: AskedSync, cause: string, signal: AbortSignal): Promise<SyncOutcome> {
    signal.throwIfAborted();
    const { mirrors, clock, dial, openZstdStream, environment } = this.options;
    const mirror = await mirrors.named(life.name); // Opened anew where its recorder failed.
    const definition = mirror.definition();
    const settings = merged(settingsOf(definition.options), asked.settings);
    const parsed = parseSource(definition.source);
    const { passwordFile, loginDigest, family, localAddress } = settings;
    const login = loginOf({ user: parsed.user, password: asked.password, passwordFile, weakestDigest: loginDigest as LoginDigest | undefined, environment });
    const [store, files] = [await mirrors.objectsOf(mirror), await mirror.files()];
    const brokenUploadsFile = mirrors.brokenUploadsFile(mirror);
    const late = files.lateAttributes.some("" as ByteString, LATE_PER_SYNC);
    const parts = {
      dial,
      clock,
      store,
      files,
      digests: await this.options.digests(),
      openZstdStream,
      source: mirrorSource(parsed, login, { family, localAddress }),
      memory: life.memory,
      checkpoints: { everyBytes: CHECKPOINT_BYTES, keep: async (uploads: readonly BrokenUpload[]) => writeBrokenUploads(brokenUploadsFile, uploads) },
    };
    const started = (progress: () => SyncProgress): void => {
      life.progress = progress;
      asked.watcher.started?.(progress);
    };
    const watcher = { ...asked.watcher, started };
    const sync = async (options: SyncOptions, why: string): Promise<SyncOutcome> => {
      const outcome = await noting(brokenUploadsFile, life, () => syncMirror(parts, options, why, watcher, signal));
      if (options.dryRun) return outcome;
      life.lastUpdatedUs = clock.now();
      if (!outcome.isUnchanged) life.heldBecause = outcome.heldBecause;
      return outcome;
    };
    const options = syncOptionsOf(settings, asked.dryRun);
    let outcome = await sync(options, cause);
    if (asked.dryRun) return outcome;
    if (!outcome.isUnchanged) await writeLateAttributes(files, store, late, signal);
    if (settings.proof === "scrub")
      outcome = await this.scrub(life, { ...parts, signal }, asked.watcher, outcome, () => sync({ ...options, probe: undefined }, "scrub"));
    if (!outcome.isUnchanged) await writeSomeLateDigests(files, store, LATE_DIGESTS_PER_SYNC, signal);
    return outcome;
  }

  /** What is not as the server said is fetched anew at once, and read back as well. */
  private async scrub(life: Life, parts: ScrubParts, watcher: SyncWatcher, outcome: SyncOutcome, again: () => Promise<SyncOutcome>): Promise<SyncOutcome> {
    life.scrubAlarm = await scrubAfterSync(parts, watcher);
    if (life.scrubAlarm === "") return outcome;
    const repaired = await again();
    const found = await scrubAfterSync(parts, watcher);
    if (found !== "") throw new RainbowError("OBJECT_CORRUPT", found);
    return together(outcome, repaired);
  }
}

function alarmsOf({ actor, scrubAlarm }: Life): string[] {
  const alarms = mirrorAlarms(actor.getSnapshot().context);
  return scrubAlarm === "" || alarms.includes(scrubAlarm) ? alarms : [...alarms, scrubAlarm];
}

/** Whatever became of the sync, what can be gone on with is written down. */
async function noting(path: string, life: Life, sync: () => Promise<SyncOutcome>): Promise<SyncOutcome> {
  try {
    return await sync();
  } finally {
    life.progress = undefined;
    writeBrokenUploads(path, life.memory.brokenUploads ?? []);
  }
}

/** Tells all of them what is told. */
function forwarding(watchers: readonly SyncWatcher[]): SyncWatcher {
  return {
    started: (progress) => {
      for (const watcher of watchers) watcher.started?.(progress);
    },
    phase: (phase) => {
      for (const watcher of watchers) watcher.phase(phase);
    },
    item: (item) => {
      for (const watcher of watchers) watcher.item(item);
    },
    message: (text) => {
      for (const watcher of watchers) watcher.message(text);
    },
  };
}

/** Filters of one sync come before those of the mirror: the first that matches decides. */
function merged(own: MirrorSettings, asked: MirrorSettings): MirrorSettings {
  const filters = [...(asked.filters ?? []), ...(own.filters ?? [])];
  return { ...own, ...asked, ...(filters.length === 0 ? {} : { filters }) };
}

/** The same at every start, and unknown to others: who knew it could make files whose blocks look alike. */
function seedOf({ machine }: OpenedMirror): number {
  const digest = createHash("sha256").update("block sums of a mirror\0").update(machine.enrolled.hashKey).digest();
  return digest.readUInt32LE(0) & 0x7fffffff || 1;
}

async function endOf(life: Life): Promise<void> {
  life.stop.abort(stopped(life.name));
  life.actor.send({ type: "STOP" });
  for (const { reject } of life.waiters.splice(0)) reject(stopped(life.name));
  await life.turns.take(async () => undefined); // What runs has ended.
}

function stopped(name: string): RainbowError {
  return new RainbowError("NOT_RUNNING", `the sync of '${name}' was stopped: Rainbow ends, or the mirror is being changed`, { name });
}
