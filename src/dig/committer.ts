/**
 * Group commit. A change is rows and bits that become durable together (rule 11); many changes share one transaction, in the order
 * in which they were submitted. Data that must be durable *before* its rows is synced by the submitter first; payload of chunks is
 * synced beside its rows, as nothing names a chunk before both are durable.
 */
import { ByteReader, ByteWriter, RainbowError } from "../core/index.ts";
import type { DiskFile } from "../core/index.ts";
import type { Allocation, BlockRange } from "./allocation.ts";
import type { ControlWrite } from "./control-file.ts";
import { controlKey, metaKey, rowPut } from "./control-rows.ts";
import type { ControlRows } from "./control-rows.ts";
import { TRANSACTION_KEYS_MAX } from "./layout.ts";

export interface ControlChange {
  readonly writes: readonly ControlWrite[];
  /** Blocks that get an owner by these writes. */
  readonly taken?: readonly BlockRange[];
  /** Blocks that lose their last owner by these writes; reusable (and punched) once that is durable. */
  readonly freed?: readonly BlockRange[];
  /** What these writes add to the totals. */
  readonly totals?: Partial<Totals>;
}

/** What the store holds, as committed. */
export interface Totals {
  readonly chunkCount: number;
  readonly storedBytes: number;
  readonly treeBlocks: number;
}

interface Waiting {
  readonly change: ControlChange;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Committer {
  private readonly rows: ControlRows;
  private readonly allocation: Allocation;
  private readonly onFreed: (ranges: readonly BlockRange[]) => void;
  private queue: Waiting[] = [];
  private pauses: (() => void)[] = [];
  private running: Promise<void> | undefined;
  private failure: unknown;
  totals: Totals = { chunkCount: 0, storedBytes: 0, treeBlocks: 0 };

  constructor(rows: ControlRows, allocation: Allocation, onFreed: (ranges: readonly BlockRange[]) => void) {
    this.rows = rows;
    this.allocation = allocation;
    this.onFreed = onFreed;
  }

  /** Reads see the change at once; durable when it resolves. After a failure nothing is taken any more. */
  submit(change: ControlChange): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.refusal());
    this.rows.lay(change.writes);
    const done = new Promise<void>((resolve, reject) => this.queue.push({ change, resolve, reject }));
    this.running ??= this.run();
    return done;
  }

  /** Runs `action` while no transaction is under way. */
  between(action: () => void): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.refusal());
    const done = new Promise<void>((resolve) => this.pauses.push(() => resolve(action())));
    this.running ??= this.run();
    return done;
  }

  /** Why nothing can be written any more; undefined while all is well. */
  get failed(): unknown {
    return this.failure;
  }

  /** From here on nothing is written: what is known about the store contradicts itself. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Resolves when nothing is on its way; never rejects. */
  async idle(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    await Promise.resolve(); // What is submitted in the same turn goes along.
    while (this.queue.length > 0 || this.pauses.length > 0) {
      for (const pause of this.pauses.splice(0)) pause();
      const group = this.takeGroup();
      if (group.length === 0) continue;
      try {
        await this.commit(group.map((waiting) => waiting.change));
        for (const { resolve } of group) resolve();
      } catch (error) {
        this.failure ??= error;
        for (const { reject } of [...group, ...this.queue.splice(0)]) reject(error);
      }
    }
    this.running = undefined;
  }

  private takeGroup(): Waiting[] {
    let keyCount = 0;
    let length = 0;
    for (const { change } of this.queue) {
      keyCount += change.writes.length;
      if (length > 0 && keyCount > TRANSACTION_KEYS_MAX) break;
      length += 1;
    }
    return this.queue.splice(0, length);
  }

  private async commit(changes: readonly ControlChange[]): Promise<void> {
    if (this.failure !== undefined) throw this.refusal();
    const segments = new Set<number>();
    for (const { taken = [], freed = [] } of changes) {
      for (const segment of this.allocation.commitBits(taken, freed)) segments.add(segment);
    }
    const writes = changes.flatMap((change) => change.writes);
    const bits = [...segments].map((segment) => rowPut(controlKey("bitmap", segment), this.allocation.segment(segment)));
    await this.rows.file.commit([...writes, ...bits, ...this.count(changes)]);
    this.rows.settle(writes);
    const freed = changes.flatMap((change) => change.freed ?? []);
    for (const range of freed) this.allocation.release(range);
    if (freed.length > 0) this.onFreed(freed);
  }

  private count(changes: readonly ControlChange[]): ControlWrite[] {
    const deltas = changes.flatMap(({ totals }) => (totals === undefined ? [] : [totals]));
    if (deltas.length === 0) return [];
    for (const { chunkCount = 0, storedBytes = 0, treeBlocks = 0 } of deltas) {
      const { totals } = this;
      this.totals = { chunkCount: totals.chunkCount + chunkCount, storedBytes: totals.storedBytes + storedBytes, treeBlocks: totals.treeBlocks + treeBlocks };
    }
    return [rowPut(TOTALS_KEY, encodeTotals(this.totals))];
  }

  private refusal(): RainbowError {
    return new RainbowError("IO", "an earlier write to this machine's store failed: it must be opened anew", {}, this.failure);
  }
}

export const TOTALS_KEY = metaKey("totals");

export function encodeTotals({ chunkCount, storedBytes, treeBlocks }: Totals): Buffer {
  const writer = new ByteWriter(24);
  for (const value of [chunkCount, storedBytes, treeBlocks]) writer.u64(Math.max(0, value));
  return writer.copy();
}

export function decodeTotals(content: Buffer): Totals {
  const reader = new ByteReader(content, (why) => new RainbowError("DIG_CORRUPT", `the totals cannot be read: ${why}`));
  return { chunkCount: reader.u64(), storedBytes: reader.u64(), treeBlocks: reader.u64() };
}

/** Joins callers of fdatasync: one that runs is not joined, as it may miss their writes; the next one serves all who wait. */
export class DataSync {
  private readonly file: DiskFile;
  private current: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(file: DiskFile) {
    this.file = file;
  }

  /** Everything written before the call is durable when it resolves. */
  sync(): Promise<void> {
    this.next ??= this.start();
    return this.next;
  }

  private async start(): Promise<void> {
    await (this.current ?? Promise.resolve()).catch(() => undefined); // Its callers hear of its failure.
    this.current = this.next;
    this.next = undefined;
    await this.file.datasync();
  }
}
