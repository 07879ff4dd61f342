/** A mirror's stream, trees and memory without connections and object stores, opened as the host does; crashes leave what is durable. */
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/app/platform.ts";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { openMirror } from "../../src/actors/mirror-files/index.ts";
import type { MirrorDefinition, OpenedMirror } from "../../src/actors/mirror-files/index.ts";
import { RainbowError } from "../../src/core/index.ts";
import type { Clock } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { ControlFile } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { MemoryEventStore } from "../../src/events/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { temporaryDirectory } from "./temp.ts";

export const MIRROR = "00000000-0000-4000-8000-00000000000a";
export const DEFINITION: MirrorDefinition = { label: "debian", source: "rsync://host/module", target: "/srv/mirror", options: { exclude: ["*.o"] } };

export class StoredMirror {
  readonly store: EventStore;
  readonly directory: string;
  readonly clock: Clock;
  opened!: OpenedMirror;
  /** Nothing more is remembered beside the events. */
  isMemoryFull = false;
  /** What stopped the appender, if anything did. */
  failure: unknown;

  private constructor(store: EventStore, clock: Clock, directory: string) {
    this.store = store;
    this.clock = clock;
    this.directory = directory;
  }

  static async make({
    store = new MemoryEventStore(),
    clock = systemClock(),
  }: { readonly store?: EventStore; readonly clock?: Clock } = {}): Promise<StoredMirror> {
    const mirror = new StoredMirror(store, clock, temporaryDirectory("mirror"));
    await mirror.open(DEFINITION);
    return mirror;
  }

  /** One that outlives the process: made where `isNew`. */
  static async at(directory: string, store: EventStore, isNew: boolean): Promise<StoredMirror> {
    const mirror = new StoredMirror(store, systemClock(), directory);
    await mirror.open(isNew ? DEFINITION : undefined);
    return mirror;
  }

  async open(definition?: MirrorDefinition): Promise<void> {
    this.opened = await openMirror({
      mirror: MIRROR,
      ...(definition === undefined ? {} : { definition }),
      version: "test",
      store: this.store,
      openDig: (hashKey) =>
        openDig({
          disk: openDisk(openOs()),
          directory: this.directory,
          hashKey,
          control: openLmdbControl,
          create: { uuid: "00000000-0000-4000-8000-00000000000b", quotaBytes: 2 ** 32 },
        }),
      openMemory: async () => this.breakable(await openLmdbControl({ path: join(this.directory, "memory.lmdb"), create: true, readOnly: false })),
      clock: this.clock,
      random: systemRandom(),
      onReplay: () => undefined,
      onFailed: (cause) => (this.failure = cause),
    });
  }

  private breakable(memory: ControlFile): ControlFile {
    const commit = memory.commit.bind(memory);
    memory.commit = async (writes) => {
      if (this.isMemoryFull) throw new RainbowError("DISK_FULL", "no space is left for what the mirror remembers");
      await commit(writes);
    };
    return memory;
  }

  async reopen(): Promise<void> {
    await this.opened.close();
    await this.open();
  }
}
