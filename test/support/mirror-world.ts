/** Mirrors as a host has them, over a data directory and a directory as target, and the operations that people ask. */
import { basename } from "node:path";
import { Trail } from "../../src/actors/audit/index.ts";
import { Mirrors } from "../../src/app/mirrors.ts";
import { openTarget } from "../../src/app/open-target.ts";
import type { OperationsContext } from "../../src/app/operations/context.ts";
import { operationsOf } from "../../src/app/operations/index.ts";
import type { InstantWords, Operations, RestoreRequest } from "../../src/app/operations/types.ts";
import { openDisk, openOs, openXxh3 } from "../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../src/app/platform.ts";
import type { OpenedMachine } from "../../src/actors/machine/index.ts";
import type { OpenedMirror } from "../../src/actors/mirror-files/index.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import type { ByteString, Clock, Revision } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { MemoryEventStore, NO_STREAM } from "../../src/events/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import type { MirrorFact } from "../../src/projections/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { temporaryDirectory } from "./temp.ts";

export const NOW: InstantWords = { kind: "now" };
export const instant = (revision: number): InstantWords => ({ kind: "revision", revision });
const at = (path: string): ByteString => byteStringOfText(path);
const digests = await openDigests(openXxh3());

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export class MirrorWorld {
  readonly target = temporaryDirectory("target");
  readonly directory = temporaryDirectory("data");
  readonly store: EventStore = new MemoryEventStore();
  mirrors: Mirrors;
  operations: Operations;
  private readonly os = openOs();
  private readonly openObjects: (() => Promise<ObjectStore>) | undefined;
  private readonly clock: Clock;

  /** Without a store of its own the mirrors lie in a directory. */
  constructor(openObjects?: () => Promise<ObjectStore>, clock: Clock = systemClock()) {
    this.openObjects = openObjects;
    this.clock = clock;
    this.mirrors = this.open();
    this.operations = this.answers();
  }

  /** As a process that starts anew has it. */
  async reopen(): Promise<void> {
    await this.mirrors.close();
    this.mirrors = this.open();
    this.operations = this.answers();
  }

  private open(): Mirrors {
    const { directory, store, os, clock } = this;
    const random = systemRandom();
    return new Mirrors({
      directory,
      version: "test",
      clock,
      random,
      store: () => store,
      openDig: (path, hashKey, mayMake) => {
        const create = { uuid: basename(path), quotaBytes: 2 ** 32 };
        return openDig({ disk: openDisk(os), directory: path, hashKey, control: openLmdbControl, ...(mayMake ? { create } : {}) });
      },
      openMemory: (path) => openLmdbControl({ path, create: true, readOnly: false }),
      freeBytes: () => 2 ** 40,
      openObjects: ({ target }) => this.openObjects?.() ?? openTarget(target, { os, random, create: false, settings: {}, environment: {} }),
      content: { digests: async () => digests, owner: { uid: process.getuid!(), gid: process.getgid!() } },
    });
  }

  /** `machine` is the host's own; without it nothing may ask for that. */
  answers(machine?: OpenedMachine): Operations {
    const { mirrors, store, os } = this;
    const opened = (): OpenedMachine => {
      if (machine === undefined) throw new Error("the machine is not asked");
      return machine;
    };
    const [clock, random] = [this.clock, systemRandom()];
    const trail = new Trail({ store: () => store, stream: "host-audit-test", clock });
    const witness = { revision: NO_STREAM, chainHash: "" };
    const host = { opened, eventStore: store, trail, witness: () => witness, stopSignal: new AbortController().signal };
    const parts = { host, mirrors, os, disk: openDisk(os), clock, random, machine: "m", capture: undefined };
    return operationsOf(parts as unknown as OperationsContext);
  }

  /** Stores a file as a sync does, and gives the fact that tells of it. */
  async put(mirror: OpenedMirror, path: string, text: string, isDigestWrong = false): Promise<MirrorFact> {
    const bytes = Buffer.from(text);
    const digest = digests.ofFile("xxh128", 0);
    digest.update(bytes);
    const stamp = { mode: 0o640, mtimeSeconds: 1_000_000_000 + text.length, mtimeNanos: 5 };
    const recorded = { name: "xxh128", bytes: isDigestWrong ? Buffer.alloc(16) : digest.digest() };
    const objects = await this.mirrors.objectsOf(mirror);
    const [place] = await objects.put([{ key: at(path), bytes, metadata: { kind: "file", ...stamp, linkTarget: undefined, digest: recorded } }]);
    return { type: "FileArrived", path: at(path), kind: "file", ...stamp, sizeBytes: bytes.length, rdev: 0, digest: recorded, place };
  }

  async text(path: string, when: InstantWords): Promise<string> {
    const items = await all(this.operations.read({ path: at(path), at: when }));
    return items.flatMap((item) => (item.type === "bytes" ? [item.bytes.toString()] : [])).join("");
  }

  async paths(path: string, when: InstantWords, depthMax = 9): Promise<string[]> {
    const items = await all(this.operations.list({ path: at(path), at: when, depthMax }));
    return items.flatMap((item) => (item.type === "entry" ? [item.path] : []));
  }

  restore(path: string, target: string, more: Partial<RestoreRequest> = {}): Promise<unknown[]> {
    const plain = { overwrite: false, delete: false, dryRun: false, include: [], exclude: [], inPlace: false, at: NOW };
    return all(this.operations.restore({ ...plain, path: at(path), target: at(target), ...more }));
  }
}

/** A mirror with three instants: two files; one changed and one more; one gone. */
export async function mirrorHistory(
  world = new MirrorWorld(),
): Promise<{ readonly world: MirrorWorld; readonly mirror: OpenedMirror; readonly revisions: readonly Revision[] }> {
  const mirror = await world.mirrors.add({ label: "debian", source: "rsync://host/module", target: world.target, options: {} });
  const files = await mirror.files();
  const first = await files.record([await world.put(mirror, "dists/Release", "one"), await world.put(mirror, "pool/a.deb", "package a")]);
  const second = await files.record([await world.put(mirror, "dists/Release", "three"), await world.put(mirror, "pool/b c.deb", "package b")]);
  const third = await files.record([{ type: "FileWithdrawn", path: at("pool/a.deb"), reason: "gone" }]);
  return { world, mirror, revisions: [first, second, third] };
}
