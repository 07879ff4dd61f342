/** A machine's stream, data file and projection without agent and actors: batches go in as ingest would store them. */
import { createHash } from "node:crypto";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { ENCODING, RainbowError } from "../../src/core/index.ts";
import type { Change, ChunkNumber, Clock, Epoch, NewChunk, Revision, TimeUs } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { ChainedStream } from "../../src/events/index.ts";
import type { EventStore, MachineEvent } from "../../src/events/index.ts";
import { MemoryEventStore } from "../../src/events/index.ts";
import { DigTreeProjection } from "../../src/projections/index.ts";
import type { ProjectionOptions } from "../../src/projections/index.ts";
import { temporaryDirectory } from "./temp.ts";

export const STREAM = "machine-test";
const HASH_KEY = Buffer.alloc(32, 7);

/** A clock that only goes when it is told to; sleeping takes no time. */
export class HandClock implements Clock {
  us = 1_000_000_000;
  now(): TimeUs {
    return this.us as TimeUs;
  }
  monotonicUs(): number {
    return this.us;
  }
  async sleep(delayMs: number): Promise<void> {
    this.us += delayMs * 1000;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class ProjectedMachine {
  readonly store: EventStore;
  readonly clock = new HandClock();
  dig!: Dig;
  projection!: DigTreeProjection;
  /** Agent time of the next batch. */
  agentTimeUs = 1_000_000_000_000;
  epoch = 0 as Epoch;
  /** So many trees are refused, as on a full disk. */
  refusedTrees = 0;
  private chain!: ChainedStream;
  private sequence = 0;
  private hostSequence = 0;
  private readonly directory: string;
  private readonly limits: ProjectionOptions["limits"];

  private constructor(store: EventStore, limits: ProjectionOptions["limits"]) {
    this.store = store;
    this.limits = limits;
    this.directory = temporaryDirectory("projected");
  }

  static async make(limits?: ProjectionOptions["limits"], store: EventStore = new MemoryEventStore()): Promise<ProjectedMachine> {
    const machine = new ProjectedMachine(store, limits);
    await machine.open(true);
    return machine;
  }

  async open(isNew = false): Promise<void> {
    const control = openLmdbControl;
    const create = { uuid: "00000000-0000-4000-8000-000000000001", quotaBytes: 2 ** 34 };
    this.dig = await openDig({ disk: openDisk(openOs()), directory: this.directory, hashKey: HASH_KEY, control, ...(isNew ? { create } : {}) });
    this.refuseTrees(this.dig);
    this.chain = await ChainedStream.open(this.store, STREAM);
    const limits = this.limits === undefined ? {} : { limits: this.limits };
    this.projection = await DigTreeProjection.open({ store: this.store, stream: STREAM, dig: this.dig, clock: this.clock, ...limits });
    if (!isNew) await this.projection.catchUp();
  }

  private refuseTrees({ trees }: Dig): void {
    const build = trees.build.bind(trees);
    trees.build = async (tree) => {
      if (this.refusedTrees === 0) return await build(tree);
      this.refusedTrees -= 1;
      await new Promise((resolve) => setImmediate(resolve));
      throw new RainbowError("DISK_FULL", "the disk is full");
    };
  }

  async close(): Promise<void> {
    await this.projection.close();
    await this.dig.close();
  }

  async startEpoch(): Promise<void> {
    this.epoch = (this.epoch + 1) as Epoch;
    this.sequence = 0;
    await this.appendOwn([{ type: "EpochStarted", epoch: this.epoch }]);
  }

  /** Stores chunks of these plain bytes under the next numbers. */
  async storeChunks(plains: readonly Buffer[]): Promise<ChunkNumber> {
    const chunks = plains.map((plain): NewChunk => {
      const hash = createHash("sha256").update(HASH_KEY).update(plain).digest();
      return { hash, lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain };
    });
    const { first, durable } = this.dig.chunks.store(chunks);
    await durable;
    return first;
  }

  /** One batch of the agent's; new chunks of it were stored under `first` and on. Resolves when it is in the stream. */
  async append(changes: readonly Change[], stored?: { readonly first: ChunkNumber; readonly plains: readonly Buffer[] }): Promise<Revision> {
    const events: MachineEvent[] = [...changes];
    if (stored !== undefined && stored.plains.length > 0) {
      const chunks = stored.plains.map((plain) => ({ hash: createHash("sha256").update(HASH_KEY).update(plain).digest(), lengthBytes: plain.length }));
      events.unshift({ type: "ChunksStored", first: stored.first, chunks });
    }
    this.agentTimeUs += 1000;
    this.clock.us += 1000;
    this.sequence += 1;
    return await this.appendEvents(events, { agentTimeUs: this.agentTimeUs, epoch: this.epoch, sequence: this.sequence });
  }

  /** A batch of the host's own. */
  async appendOwn(events: readonly MachineEvent[]): Promise<Revision> {
    this.hostSequence += 1;
    return await this.appendEvents(events, { agentTimeUs: this.clock.us, epoch: 0 as Epoch, sequence: this.hostSequence });
  }

  private async appendEvents(events: readonly MachineEvent[], batch: { agentTimeUs: number; epoch: Epoch; sequence: number }): Promise<Revision> {
    const times = { agentTimeUs: batch.agentTimeUs as TimeUs, hostTimeUs: this.clock.now(), monotonicUs: this.clock.us, correlation: "" };
    const { revision } = await this.chain.append(events, { ...times, epoch: batch.epoch, sequence: batch.sequence });
    this.projection.follow(revision);
    return revision;
  }
}
