/**
 * What waits until all that it names is visible. Small contents wait in memory, as far as there is room; the others in the store: a tree
 * lets an upload wait for its turn, elsewhere what waits is an object of its own, which is copied when its turn has come.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { Depot, PlaceHolder, Work } from "./depot.ts";
import type { DirectoryCare, OpenDirectory } from "./directory-care.ts";
import { WAITING_DIRECTORY } from "./publication.ts";
import type { PublicationOrder } from "./publication.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";

const MEMORY_BYTES_MAX = 16 << 20;

interface Waiting {
  readonly rank: number;
  readonly work: Work;
  readonly directory: OpenDirectory;
}

type Complete = Work & { readonly kind: "complete" };

interface Parts {
  readonly store: ObjectStore;
  readonly depot: Depot;
  readonly order: PublicationOrder;
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
}

export class WaitingRoom {
  private readonly parts: Parts;
  private readonly care: DirectoryCare;
  private waiting: Waiting[] = [];
  private memoryBytes = 0;
  private keyCount = 0;
  /** Of objects that wait. */
  private readonly keys: ByteString[] = [];

  constructor(parts: Parts, care: DirectoryCare) {
    this.parts = parts;
    this.care = care;
  }

  /** Whether contents should not wait in memory any more. */
  get isFull(): boolean {
    return this.memoryBytes > MEMORY_BYTES_MAX;
  }

  /** Under which key an upload is begun for what becomes `path` when the turn of its rank comes: each time another one, as several may be open. */
  keyFor(path: ByteString, rank: number): ByteString {
    return rank === 0 || this.parts.store.features.isTree ? path : (`${WAITING_DIRECTORY}/${this.keyCount++}` as ByteString);
  }

  /** At once, or with all others of its rank. */
  add({ rank, work, directory }: Waiting): void {
    if (rank === 0) {
      this.parts.depot.add(work);
      return this.care.settled(directory);
    }
    if (work.kind === "put") this.memoryBytes += work.object.bytes.length;
    this.waiting.push({ rank, work, directory });
  }

  /** As `add`, for an upload that has all of its content: nothing of it stays open. `key`: under which it was begun. */
  async addUpload(
    { rank, work, directory }: Waiting & { readonly work: Complete },
    begun: { readonly key: ByteString; readonly lengthBytes: number },
  ): Promise<void> {
    if (this.parts.store.features.isTree) await work.upload.suspend();
    this.waiting.push({ rank, directory, work: this.laterWork(work, begun) });
  }

  private laterWork({ upload, ...work }: Complete, begun: { readonly key: ByteString; readonly lengthBytes: number }): Work {
    const { key, fact, forgetsSums, sums, claim, check, metadata } = work;
    const { lengthBytes } = begun;
    const common = { key, fact, forgetsSums, sums, claim };
    if (this.parts.store.features.isTree)
      return { ...common, kind: "resume", token: upload.token, lengthBytes, check, upload: { key, metadata, sizeBytes: lengthBytes } };
    const holder: PlaceHolder = { key: begun.key, place: undefined };
    this.keys.push(holder.key);
    const kept = { key: holder.key, forgetsSums: false, sums: undefined, fact: (place: NonNullable<PlaceHolder["place"]>) => void (holder.place = place) };
    this.parts.depot.add({ ...kept, kind: "complete", upload, metadata, check: undefined });
    return { ...common, kind: "copy", from: holder, metadata };
  }

  /** Makes visible what waits, rank by rank: each once the one before is durable. */
  async publish(): Promise<void> {
    const { depot, order, watcher } = this.parts;
    if (this.waiting.length > 0) watcher.phase("publishing");
    for (let rank = 1; rank < order.rankCount; rank++) {
      const due = this.waiting.filter((each) => each.rank === rank);
      if (due.length === 0) continue;
      await depot.flush();
      for (const { work, directory } of due) {
        depot.add(work);
        this.care.settled(directory);
        if (depot.isFull) await depot.room();
      }
    }
    await this.clear();
  }

  /** Nothing of it becomes visible now: what it names is not all there. */
  async withhold(): Promise<void> {
    const { counts, store } = this.parts;
    for (const { work, directory } of this.waiting) {
      counts.leftOverCount++;
      counts.arrivedCount--;
      if (work.kind === "resume") await (await store.resume(work.token, work.upload))?.abort();
      this.care.settled(directory);
    }
    await this.clear();
  }

  private async clear(): Promise<void> {
    const { depot, store } = this.parts;
    this.waiting = [];
    if (this.keys.length === 0) return;
    await depot.flush();
    await store.delete(this.keys.map((key) => ({ key, kind: "file" })));
  }
}
