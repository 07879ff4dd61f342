/**
 * A disk and a control file in memory that crash as real ones do: what was not synced may be lost, kept, or torn at 512 bytes, write by
 * write; a transaction is there as a whole or not at all. Every durable step waits until the world lets it go on, so that a seed
 * decides the order of all of them, and a crash may fall between any two.
 */
import { RainbowError, SECTOR_BYTES } from "../../src/core/index.ts";
import type { Disk, DiskFile } from "../../src/core/index.ts";
import type { ControlEntry, ControlFile, ControlWrite, OpenControl } from "../../src/dig/index.ts";
import type { SeededRandom } from "./random.ts";

/** One life of the process, from a start to a crash. After the crash none of its steps goes on and none of its writes counts. */
export class World {
  isDead = false;
  private waiting: { readonly label: string; readonly resume: () => void }[] = [];
  private readonly random: SeededRandom;
  private readonly onCrash: (() => void)[] = [];

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** Waits for its turn; for ever after a crash. */
  pause(label: string): Promise<void> {
    return new Promise((resolve) => {
      if (!this.isDead) this.waiting.push({ label, resume: resolve });
    });
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /** Lets one waiting step go on, if there is one, and everything else run until it waits again. */
  async step(): Promise<boolean> {
    await this.rest();
    if (this.waiting.length === 0) return false;
    const [next] = this.waiting.splice(this.random.int(this.waiting.length), 1);
    next!.resume();
    await this.rest();
    return true;
  }

  /** Drives until `promise` ends. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const watched = promise.finally(() => (isDone = true));
    watched.catch(() => undefined);
    for (let idle = 0; !isDone && idle < 10_000; idle++) if (await this.step()) idle = 0;
    if (!isDone) throw new Error(`nothing goes on, and the promise does not end (${this.waiting.map(({ label }) => label).join()})`);
    return await watched;
  }

  crash(): void {
    this.isDead = true;
    this.waiting = [];
    for (const hook of this.onCrash) hook();
  }

  atCrash(hook: () => void): void {
    this.onCrash.push(hook);
  }

  private async rest(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Pending {
  readonly id: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

interface FileState {
  durable: Buffer;
  view: Buffer;
  pending: Pending[];
  length: number;
}

/** What is on the disk; outlives crashes. */
export class SimulatedDisk {
  readonly files = new Map<string, FileState>();
  freeBytes = 2 ** 40;
  private nextId = 0;

  /** The disk as a process sees it. */
  port(world: World): Disk {
    return {
      open: (path, options) => this.open(world, path, options.create),
      exists: (path) => this.files.has(path),
      makeDirectory: () => undefined,
      remove: (path) => void this.files.delete(path),
      rename: (from, to) => {
        const file = this.files.get(from);
        if (file === undefined) return; // Control files lie in SimulatedControls.
        this.files.set(to, file);
        this.files.delete(from);
      },
      freeBytes: () => this.freeBytes,
    };
  }

  /** Power fails: each write since the last sync is there, or not, or in part. */
  crash(random: SeededRandom): void {
    for (const file of this.files.values()) {
      const mood = random.int(3); // All lost, all kept, or anything between.
      for (const { offset, bytes } of file.pending) {
        for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
          const isKept = mood === 1 || (mood === 2 && random.chance(0.5));
          if (isKept) file.durable = laid(file.durable, bytes.subarray(at, at + SECTOR_BYTES), offset + at);
        }
      }
      file.pending = [];
      file.view = Buffer.from(file.durable);
      file.length = file.view.length;
    }
  }

  private open(world: World, path: string, create: boolean): DiskFile {
    let file = this.files.get(path);
    if (file === undefined) {
      if (!create) throw new RainbowError("IO", `${path} is missing`, { path });
      file = { durable: Buffer.alloc(0), view: Buffer.alloc(0), pending: [], length: 0 };
      this.files.set(path, file);
    }
    return this.filePort(world, path, file);
  }

  private filePort(world: World, path: string, file: FileState): DiskFile {
    const write = (bytes: Buffer, offset: number): void => {
      if (world.isDead) return;
      file.pending.push({ id: this.nextId++, offset, bytes });
      file.view = laid(file.view, bytes, offset);
      file.length = Math.max(file.length, offset + bytes.length);
    };
    const settle = (id: number): void => {
      for (const each of file.pending) if (each.id < id) file.durable = laid(file.durable, each.bytes, each.offset);
      file.pending = file.pending.filter((each) => each.id >= id);
    };
    return {
      path,
      read: (into, offset) => Math.max(0, file.view.copy(into, 0, offset, Math.min(file.length, offset + into.length))),
      write: (parts, offset) => write(Buffer.concat(parts), offset),
      datasync: async () => {
        const id = this.nextId;
        await world.pause("sync");
        settle(id);
      },
      datasyncSync: () => settle(this.nextId),
      punchHole: (offset, lengthBytes) => {
        write(Buffer.alloc(Math.max(0, Math.min(lengthBytes, file.length - offset))), offset);
        return true;
      },
      sizeBytes: () => file.length,
      allocatedBytes: () => file.length,
      truncate: () => undefined,
      close: () => undefined,
    };
  }
}

function laid(target: Buffer, bytes: Buffer, offset: number): Buffer {
  let result = target;
  if (offset + bytes.length > target.length) {
    result = Buffer.alloc(Math.max(offset + bytes.length, Math.min(target.length * 2, target.length + (4 << 20))));
    target.copy(result);
  }
  bytes.copy(result, offset);
  return result;
}

/** What is in control files; outlives crashes. */
export class SimulatedControls {
  readonly maps = new Map<string, Map<string, Buffer>>();
  commitCount = 0;

  /** Control files as a process sees them. */
  opener(world: World, random: SeededRandom): OpenControl {
    return ({ path, create }) => {
      let rows = this.maps.get(path);
      if (rows === undefined) {
        if (!create) return Promise.reject(new RainbowError("NO_STORE", `${path} is missing`, { path }));
        this.maps.set(path, (rows = new Map()));
      }
      return Promise.resolve(this.file(world, random, rows));
    };
  }

  private file(world: World, random: SeededRandom, rows: Map<string, Buffer>): ControlFile {
    let sorted: string[] | undefined;
    const apply = (writes: readonly ControlWrite[]): void => {
      for (const { key, value } of writes) {
        if (value === undefined) rows.delete(key.latin1Slice());
        else rows.set(key.latin1Slice(), Buffer.from(value));
      }
      sorted = undefined;
      this.commitCount += 1;
    };
    const underWay = new Set<readonly ControlWrite[]>();
    world.atCrash(() => underWay.forEach((writes) => random.chance(0.5) && apply(writes)));
    return {
      get: (key) => rows.get(key.latin1Slice()),
      range: (from, to, { limit, reverse = false }) => {
        sorted ??= [...rows.keys()].sort((a, b) => (a < b ? -1 : 1));
        const [low, high] = [lowerBound(sorted, from.latin1Slice()), lowerBound(sorted, to.latin1Slice())];
        const keys = reverse ? sorted.slice(Math.max(low, high - limit), high).reverse() : sorted.slice(low, Math.min(high, low + limit));
        return keys.map((key): ControlEntry => ({ key: Buffer.from(key, "latin1"), value: Buffer.from(rows.get(key)!) }));
      },
      commit: async (writes) => {
        underWay.add(writes);
        await world.pause("commit");
        underWay.delete(writes);
        apply(writes);
      },
      problems: () => [],
      sizeBytes: () => 0,
      giveBackStep: () => true,
      close: () => Promise.resolve(),
    };
  }
}

function lowerBound(sorted: readonly string[], key: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
