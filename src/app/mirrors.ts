/**
 * The mirrors of a data directory, each opened when it is first asked for and once: `mirrors/<uuid>/` holds its trees and what it remembers,
 * the event store its stream. One whose appender failed is opened anew by the next who asks.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { mirrorStreamOf } from "../actors/machine/index.ts";
import { mirrorView, openMirror } from "../actors/mirror-files/index.ts";
import type { MirrorContent, MirrorDefinition, OpenedMirror } from "../actors/mirror-files/index.ts";
import { Keeper } from "../actors/retention/index.ts";
import { isRainbowError, RainbowError } from "../core/index.ts";
import type { Clock, Random } from "../core/index.ts";
import { CONTROL_FILE, DATA_FILE } from "../dig/index.ts";
import type { ControlFile, Dig } from "../dig/index.ts";
import type { EventStore } from "../events/index.ts";
import type { ObjectStore } from "../objects/index.ts";
import type { View } from "../projections/index.ts";

const MEMORY_FILE = "memory.lmdb";
const BROKEN_UPLOADS_FILE = "broken-uploads.json";
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,99}$/u; // It stands in paths, before "/" and "@".
const NAMES_SHOWN = 5;

export interface MirrorsOptions {
  /** Of the data. */
  readonly directory: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: () => EventStore;
  /** A data file that is missing is made where that may be, with the directory's name as its UUID. */
  readonly openDig: (directory: string, hashKey: Buffer, mayMake: boolean) => Promise<Dig>;
  readonly openMemory: (path: string) => Promise<ControlFile>;
  /** Of the disk that all this lies on. */
  readonly freeBytes: () => number;
  /** Where a mirror's payload lies. */
  /** Absent: targets have none. */
  readonly identityOf?: (target: string) => string | undefined;
  readonly openObjects: (definition: MirrorDefinition, create: boolean) => Promise<ObjectStore>;
  readonly content: Omit<MirrorContent, "objects">;
}

interface Entry {
  readonly opened: OpenedMirror;
  readonly keeper: Keeper;
  objects: Promise<ObjectStore> | undefined;
  readonly hasFailed: boolean;
}

export class Mirrors {
  private readonly options: MirrorsOptions;
  /** By UUID. */
  private readonly entries = new Map<string, Promise<Entry>>();
  /** Why they cannot be opened, by UUID, as of the last call of `all`. */
  readonly broken = new Map<string, RainbowError>();

  constructor(options: MirrorsOptions) {
    this.options = options;
  }

  /** Every mirror that is defined and can be opened, by name; `broken` has the others then. */
  async all(): Promise<OpenedMirror[]> {
    const streams = await this.options.store().streams(mirrorStreamOf(""));
    const mirrors = streams.filter(({ headRevision, deleted }) => headRevision >= 0 && !deleted).map(({ stream }) => stream.slice(mirrorStreamOf("").length));
    const opened: OpenedMirror[] = [];
    this.broken.clear();
    for (const mirror of mirrors) {
      try {
        opened.push((await this.entry(mirror)).opened);
      } catch (error) {
        if (!(error instanceof RainbowError)) throw error;
        this.broken.set(mirror, error);
      }
    }
    return opened.sort((a, b) => (a.definition().label < b.definition().label ? -1 : 1));
  }

  /** NOT_FOUND where there is none of that name. */
  async named(name: string): Promise<OpenedMirror> {
    const all = await this.all();
    const found = all.find((mirror) => mirror.definition().label === name);
    if (found !== undefined) return found;
    this.refuseBroken();
    const known = all.slice(0, NAMES_SHOWN).map((mirror) => mirror.definition().label);
    const hint =
      known.length === 0
        ? "none is defined yet: 'rainbow mirror add' defines one"
        : `there are ${known.join(", ")}${all.length > known.length ? " and others" : ""}`;
    throw new RainbowError("NOT_FOUND", `there is no mirror '${name}': ${hint}`, { name });
  }

  /** Where it is written down what was received of files whose connection broke. */
  brokenUploadsFile({ machine }: OpenedMirror): string {
    return join(this.directoryOf(machine.machine), BROKEN_UPLOADS_FILE);
  }

  /** Defines a new one. USAGE where the name is taken, or none. */
  async add(definition: MirrorDefinition): Promise<OpenedMirror> {
    const { label } = definition;
    this.checkName(label);
    if ((await this.all()).some((mirror) => mirror.definition().label === label))
      throw new RainbowError("USAGE", `a mirror '${label}' exists already: choose another name with --name`, { name: label });
    return (await this.entry(this.options.random.uuid(), definition)).opened;
  }

  /** USAGE where it can be no mirror's. */
  checkName(name: string): void {
    if (NAME.test(name)) return;
    throw new RainbowError("USAGE", `'${name}' cannot name a mirror: letters, digits, '.', '_' and '-', up to 100 of them; --name gives it another`, { name });
  }

  /** Makes the bucket or the directory of a new mirror where it is missing, and tries it. */
  async makeTarget(definition: MirrorDefinition): Promise<void> {
    await (await this.options.openObjects(definition, true)).close();
  }

  /** Which directory the target is now; undefined for a bucket. */
  identityOf(target: string): string | undefined {
    return this.options.identityOf?.(target);
  }

  /** Its history and its file list go; what it stored stays where it is. */
  async remove(mirror: OpenedMirror): Promise<void> {
    const { machine, stream } = mirror.machine;
    await this.closeOne(machine);
    await this.options.store().softDelete(stream);
    rmSync(this.directoryOf(machine), { recursive: true, force: true });
  }

  /** The store of its payload, shared by all who use this opening of the mirror. */
  async objectsOf(mirror: OpenedMirror): Promise<ObjectStore> {
    const entry = await this.entry(mirror.machine.machine);
    const objects = (entry.objects ??= this.options.openObjects(mirror.definition(), false));
    objects.catch(() => (entry.objects = undefined)); // Tried anew by the next who asks.
    return await objects;
  }

  /** The next who asks for the store of its payload opens it anew. */
  async forgetObjects(mirror: OpenedMirror): Promise<void> {
    const entry = await this.entry(mirror.machine.machine);
    const { objects } = entry;
    entry.objects = undefined;
    await (await objects?.catch(() => undefined))?.close();
  }

  /** A view of the mirror with its content. */
  viewOf(mirror: OpenedMirror, view: View): View {
    return mirrorView(view, { ...this.options.content, objects: () => this.objectsOf(mirror) });
  }

  /** Who carries its policy out. */
  async keeperOf(mirror: OpenedMirror): Promise<Keeper> {
    return (await this.entry(mirror.machine.machine)).keeper;
  }

  /** Carries each mirror's policy out, as retention does a machine's. One that fails keeps no other from it. */
  async look(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const mirror of await this.all()) {
      if (signal.aborted) return;
      await this.lookAt(mirror, signal).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    this.refuseBroken();
  }

  private async lookAt({ machine }: OpenedMirror, signal: AbortSignal): Promise<void> {
    const { keeper } = await this.entry(machine.machine);
    const context = { machine, store: this.options.store(), clock: this.options.clock, signal };
    await machine.rebasing.take(() => keeper.look(context));
  }

  async close(): Promise<void> {
    for (const mirror of this.entries.keys()) await this.closeOne(mirror);
  }

  /** One that cannot be opened may be the one that is meant. */
  private refuseBroken(): void {
    for (const error of this.broken.values()) throw error;
  }

  private directoryOf(mirror: string): string {
    return join(this.options.directory, "mirrors", mirror);
  }

  private async entry(mirror: string, definition?: MirrorDefinition): Promise<Entry> {
    const known = await this.entries.get(mirror);
    if (known !== undefined && !known.hasFailed) return known;
    if (known !== undefined) await this.closeOne(mirror);
    const opening = this.entries.get(mirror) ?? this.open(mirror, definition);
    this.entries.set(mirror, opening);
    opening.catch(() => this.entries.delete(mirror));
    return await opening;
  }

  private async open(mirror: string, definition: MirrorDefinition | undefined): Promise<Entry> {
    const { version, store, clock, random, openDig, openMemory } = this.options;
    const directory = this.directoryOf(mirror);
    const { truncatedBefore } = await store().info(mirrorStreamOf(mirror));
    const isAllThere = truncatedBefore === 0; // The trees are the events', and can be made again.
    let hasFailed = false;
    const openNow = (): Promise<OpenedMirror> =>
      openMirror({
        mirror,
        ...(definition === undefined ? {} : { definition }),
        version,
        store: store(),
        openDig: (hashKey, isNew) => openDig(directory, hashKey, isNew || isAllThere),
        openMemory: () => soundMemory(join(directory, MEMORY_FILE), openMemory),
        clock,
        random,
        onReplay: () => undefined,
        onFailed: () => (hasFailed = true),
      });
    const opened = await openNow().catch((error: unknown) => {
      if (!isAllThere || !isRainbowError(error, "DIG_CHECKSUM", "DIG_CORRUPT", "STORE_CORRUPT", "NO_STORE")) throw error;
      setTreesAside(directory);
      return openNow();
    });
    return {
      opened,
      keeper: new Keeper({ machine: () => opened.machine, store, clock, freeBytes: this.options.freeBytes, marksTime: true }),
      objects: undefined,
      get hasFailed() {
        return hasFailed;
      },
    };
  }

  private async closeOne(mirror: string): Promise<void> {
    const opening = this.entries.get(mirror);
    this.entries.delete(mirror);
    const entry = await opening?.catch(() => undefined);
    if (entry === undefined) return;
    try {
      await (await entry.objects?.catch(() => undefined))?.close();
    } finally {
      await entry.opened.close();
    }
  }
}

/** What a mirror remembers can be found again: a damaged file is set aside, for people who want to know, and a new one takes its place. */
async function soundMemory(path: string, open: MirrorsOptions["openMemory"]): Promise<ControlFile> {
  try {
    return await open(path);
  } catch (error) {
    if (!isRainbowError(error, "STORE_CORRUPT")) throw error;
    renameSync(path, `${path}.damaged`);
    rmSync(`${path}-lock`, { force: true });
    return await open(path);
  }
}

/** No payload is in them: the next opening makes them again from the events. */
function setTreesAside(directory: string): void {
  const path = join(directory, DATA_FILE);
  if (existsSync(path)) renameSync(path, `${path}.damaged`);
  for (const file of [CONTROL_FILE, `${CONTROL_FILE}-lock`]) rmSync(join(directory, file), { force: true });
}
