/**
 * What chunks, trees and freeing share: the data file, the rows, who may take blocks, and the one lock. Under the lock live all
 * changes but the storing of new chunks: building a tree, dropping, freeing, giving back, mending.
 */
import { assert, BLOCK_BYTES, isRainbowError, RainbowError } from "../core/index.ts";
import type { Disk, DiskFile } from "../core/index.ts";
import { Allocation } from "./allocation.ts";
import type { BlockRange } from "./allocation.ts";
import { Committer, DataSync } from "./committer.ts";
import type { ControlFile } from "./control-file.ts";
import { ControlRows, metaKey, rowPut } from "./control-rows.ts";
import type { Problem } from "./dig.ts";
import { DiskReserve } from "./reserve.ts";
import { readU64, writeU64 } from "./run.ts";

/** Blocks that payload never takes, so that a tree can be written and chunks freed when the quota is used up. */
const RESERVE_BLOCKS = 1024;
const RESERVE_SHARE = 64; // At most this part of a small quota.
/** Ingest leaves this much of the disk to the control file and to trees, which need room to free anything. */
const DISK_RESERVE_BYTES = 16 << 20;
const SEQUENCES_PER_LEASE = 1 << 20;
export const SEQUENCE_KEY = metaKey("sequence");

export interface StoreOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly file: DiskFile;
  readonly control: ControlFile;
  readonly uuid: string;
  readonly quotaBlocks: number;
  readonly isReadOnly: boolean;
}

export class Store {
  readonly disk: Disk;
  readonly directory: string;
  readonly file: DiskFile;
  readonly uuid: string;
  readonly isReadOnly: boolean;
  readonly rows: ControlRows;
  readonly allocation: Allocation;
  readonly committer: Committer;
  readonly dataSync: DataSync;
  readonly reserve: DiskReserve;
  /** A row under it says that trees are being discarded. */
  readonly resetKey = metaKey("reset");
  /** The start of the window, W. */
  readonly windowKey = metaKey("window");
  /** What was found damaged at open: nothing is written to such a store. */
  readonly damage: Problem[] = [];
  /** Payload leaves so much of the disk to others. */
  leftFreeBytes = 0;
  /** Told of blocks that lost their owner, so that caches forget them. */
  onFreed: (ranges: readonly BlockRange[]) => void = () => undefined;
  private sequence = 1;
  private sequenceEnd = 1;
  private lock: Promise<void> = Promise.resolve();

  constructor(options: StoreOptions) {
    this.disk = options.disk;
    this.directory = options.directory;
    this.file = options.file;
    this.uuid = options.uuid;
    this.isReadOnly = options.isReadOnly;
    this.rows = new ControlRows(options.control);
    this.allocation = new Allocation(options.quotaBlocks);
    this.committer = new Committer(this.rows, this.allocation, (ranges) => this.freed(ranges));
    this.dataSync = new DataSync(options.file);
    this.reserve = new DiskReserve(options.disk, options.directory);
  }

  /** Runs `action` when all earlier ones have ended and everything submitted before is durable. */
  exclusively<T>(action: () => Promise<T>): Promise<T> {
    const run = this.lock.then(async () => {
      await this.committer.idle();
      return await action();
    });
    this.lock = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }

  refuseUnlessWritable(): void {
    if (this.isReadOnly) throw new RainbowError("BUSY", "this machine's store was opened for reading only");
    const first = this.damage[0];
    if (first !== undefined)
      throw new RainbowError("STORE_CORRUPT", `${first.what} (${first.where}): run \`rainbow repair\``, { directory: this.directory, ...first });
    if (this.committer.failed !== undefined)
      throw new RainbowError("IO", "an earlier write to this machine's store failed: it must be opened anew", {}, this.committer.failed);
  }

  /** Runs `action`; what it finds damaged is noted, and the store is not written any more. */
  tolerate(where: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof RainbowError)) throw error;
      this.damage.push({ what: error.message, where });
    }
  }

  /**
   * Takes blocks in one piece. QUOTA_FULL where there is none; payload leaves a reserve. Trees may pass the quota by as much: without them
   * nothing could be let go once it is used up, or was made smaller.
   */
  allocate(count: number, purpose: "payload" | "tree"): BlockRange {
    const { allocation } = this;
    const isAllowed = purpose === "tree" || allocation.freeBlocks - count >= this.reserveBlocks;
    const limit = purpose === "tree" ? Math.max(allocation.quotaBlocks, allocation.takenBlocks) + this.reserveBlocks : allocation.quotaBlocks;
    const range = isAllowed ? allocation.allocate(count, limit) : undefined;
    if (range !== undefined) return range;
    const facts = { quotaBytes: allocation.quotaBlocks * BLOCK_BYTES, freeBytes: allocation.freeBlocks * BLOCK_BYTES };
    throw new RainbowError("QUOTA_FULL", `the quota of ${facts.quotaBytes} bytes is used up: raise it, or keep less`, facts);
  }

  get reserveBlocks(): number {
    return Math.min(RESERVE_BLOCKS, Math.floor(this.allocation.quotaBlocks / RESERVE_SHARE));
  }

  refuseWhenDiskFull(byteCount: number): void {
    const freeBytes = this.disk.freeBytes(this.directory);
    if (freeBytes >= byteCount + Math.max(DISK_RESERVE_BYTES, this.leftFreeBytes)) return;
    const limit = this.leftFreeBytes > DISK_RESERVE_BYTES ? ` (${this.leftFreeBytes} are left to others, as the policy's 'free' has it)` : "";
    throw new RainbowError("DISK_FULL", `only ${freeBytes} bytes are free on the disk of ${this.directory}${limit}: make room there`, {
      directory: this.directory,
      freeBytes,
    });
  }

  /** Writes, or gives all of `ranges` back and throws. */
  writeOrRelease(writes: readonly { readonly range: BlockRange; readonly parts: readonly Uint8Array[] }[], ranges: readonly BlockRange[]): void {
    try {
      for (const { range, parts } of writes) this.file.write(parts, range.start * BLOCK_BYTES);
    } catch (error) {
      for (const range of ranges) this.allocation.release(range);
      throw error;
    }
  }

  /** Larger than every sequence given before, also before a crash: the lease is durable long before it is used up. */
  nextSequence(): number {
    assert(this.sequence < this.sequenceEnd, "sequences are leased before they are used");
    if (this.sequenceEnd - this.sequence === SEQUENCES_PER_LEASE / 2) this.leaseSequences().catch(() => undefined); // Whatever follows it fails with it.
    return this.sequence++;
  }

  /** At open: begins behind the last lease. `least` where a rebuild has seen higher ones. */
  loadSequences(least = 1): void {
    const content = this.rows.get(SEQUENCE_KEY);
    this.sequence = Math.max(least, content === undefined ? 1 : readU64(content, 0));
    this.sequenceEnd = this.sequence;
  }

  /** At open, before anything is written: two runs never have one sequence, so that a rebuild knows which of them counts. */
  async leaseSequences(): Promise<void> {
    this.sequenceEnd += SEQUENCES_PER_LEASE;
    const content = Buffer.alloc(8);
    writeU64(content, this.sequenceEnd, 0);
    await this.committer.submit({ writes: [rowPut(SEQUENCE_KEY, content)] });
  }

  private freed(ranges: readonly BlockRange[]): void {
    this.onFreed(ranges);
    try {
      for (const { start, count } of joined(ranges)) this.file.punchHole(start * BLOCK_BYTES, count * BLOCK_BYTES);
    } catch (error) {
      if (!isRainbowError(error)) throw error; // The blocks are free all the same; they only keep their space on the disk.
    }
  }
}

/** Neighbours as one range. */
function joined(ranges: readonly BlockRange[]): BlockRange[] {
  const result: BlockRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && last.start + last.count === range.start) result[result.length - 1] = { start: last.start, count: last.count + range.count };
    else result.push(range);
  }
  return result;
}

/** Lets the event loop turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
