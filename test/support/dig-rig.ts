/** A DIG on a simulated disk for single cases: small chunks, small trees, crashes where the test wants them. */
import { createHash } from "node:crypto";
import { ENCODING } from "../../src/core/index.ts";
import type { ChunkNumber, NewChunk, Revision } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig, FreeBarrier, OpenDigOptions, Problem, TreeInfo } from "../../src/dig/index.ts";
import { seededRandom } from "./random.ts";
import { SimulatedControls, SimulatedDisk, World } from "./simulated-disk.ts";

export const RIG_KEY = Buffer.alloc(32, 0x33);
export const RIG_UUID = "6d1c9d5e-2f0b-4c57-8d0e-0f5a7b1c2d3e";

export function rigChunk(text: string, lengthBytes = 3000): NewChunk {
  const plain = Buffer.alloc(lengthBytes, text);
  return { hash: createHash("sha256").update(RIG_KEY).update(plain).digest(), lengthBytes, encoding: ENCODING.raw, stored: plain };
}

/** Values of 900 bytes: four entries fill a page. */
export function rigValue(text: string, lengthBytes = 900): Buffer {
  return Buffer.alloc(lengthBytes, text);
}

/** Deaths and lives as a projection hands them over: [chunk, references more or less, death]. */
export type RigChange = readonly [chunk: number, delta: number, death?: number];

export class DigRig {
  readonly disk = new SimulatedDisk();
  readonly controls = new SimulatedControls();
  readonly random = seededRandom(7);
  world!: World;
  dig!: Dig;
  /** What the barrier says was touched since the newest tree. */
  readonly touched = new Set<number>();
  quotaBytes = 16 << 20;

  static async opened(quotaBytes = 16 << 20): Promise<DigRig> {
    const rig = new DigRig();
    rig.quotaBytes = quotaBytes;
    await rig.open();
    return rig;
  }

  options(): OpenDigOptions {
    this.world = new World(this.random);
    return { disk: this.disk.port(this.world), directory: "/m", hashKey: RIG_KEY, control: this.controls.opener(this.world, this.random) };
  }

  async open(): Promise<void> {
    const options = this.options();
    this.dig = await this.world.until(openDig({ ...options, create: { uuid: RIG_UUID, quotaBytes: this.quotaBytes } }));
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.world.until(promise);
  }

  /** Lets `steps` durable steps of what was started happen, then the power fails; the store is opened again. */
  async crashAfter(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) await this.world.step();
    await this.crash();
  }

  async crash(): Promise<void> {
    this.world.crash();
    this.disk.crash(this.random);
    await this.open();
  }

  async reopen(): Promise<void> {
    await this.run(this.dig.close());
    await this.open();
  }

  /** Stores one chunk per text; returns the first number. */
  async store(...texts: string[]): Promise<ChunkNumber> {
    const { first, durable } = this.dig.chunks.store(texts.map((text) => rigChunk(text)));
    await this.run(durable);
    return first;
  }

  /** Builds a tree; entries without a value go. */
  build(revision: number, entries: Record<string, string | undefined>, changes: readonly RigChange[] = []): Promise<TreeInfo> {
    return this.run(this.startBuild(revision, entries, changes));
  }

  startBuild(revision: number, entries: Record<string, string | undefined>, changes: readonly RigChange[] = []): Promise<TreeInfo> {
    const base = this.dig.trees.list().findLast((info) => info.revision < revision);
    const common = {
      revision: revision as Revision,
      chainHash: Buffer.alloc(32, revision),
      nextChunk: this.dig.chunks.nextNumber(),
      changes: Object.entries(entries)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, text]) => ({ key: Buffer.from(key), value: text === undefined ? undefined : rigValue(text) })),
      chunks: changes.map(([chunk, delta, death]) => ({
        chunk: chunk as ChunkNumber,
        delta,
        ...(death === undefined ? {} : { deathRevision: death as Revision }),
      })),
    };
    return this.dig.trees.build(base === undefined ? common : { ...common, base });
  }

  barrier(): FreeBarrier {
    return { headRevision: () => Promise.resolve(1_000_000 as Revision), projected: () => Promise.resolve(), isTouched: (chunk) => this.touched.has(chunk) };
  }

  /** Works the set off; returns the bytes freed. */
  async work(barrier = this.barrier()): Promise<number> {
    let freedBytes = 0;
    for (let i = 0; i < 100; i++) {
      const step = await this.run(this.dig.freeing.work(barrier, 5));
      freedBytes += step.freedBytes;
      if (step.done) return freedBytes;
    }
    throw new Error("the work never ends");
  }

  async moveWindow(revision: number): Promise<void> {
    await this.run(this.dig.freeing.moveWindow(revision as Revision));
  }

  async dropTree(revision: number): Promise<void> {
    await this.run(this.dig.freeing.dropTree(revision as Revision));
  }

  isStored(chunk: number): boolean {
    try {
      this.dig.chunks.read(chunk as ChunkNumber);
      return true;
    } catch {
      return false;
    }
  }

  get(revision: number, key: string): string | undefined {
    const reader = this.dig.trees.open(revision as Revision);
    try {
      return reader?.get(Buffer.from(key))?.toString("latin1", 0, 1);
    } finally {
      reader?.close();
    }
  }

  async problems(): Promise<Problem[]> {
    return await this.run(collectProblems(this.dig));
  }
}

export async function collectProblems(dig: Dig, readData = true): Promise<Problem[]> {
  const problems: Problem[] = [];
  for await (const problem of dig.check({ readData })) problems.push(problem);
  return problems;
}

/** Entries k00 … with the same text. */
export function rigEntries(count: number, text: string, from = 0): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${String(from + i).padStart(3, "0")}`, text]));
}

export function problemsText(problems: readonly Problem[]): string {
  return problems
    .slice(0, 3)
    .map(({ what, where }) => `${what} (${where})`)
    .join("; ");
}
