/** Opening and closing a machine's data file and control file; what a crash cut off is finished or taken back here. */
import { crc32 } from "node:zlib";
import { assert, BLOCK_BYTES, nodeZstd, RainbowError } from "../core/index.ts";
import type { Disk, DiskFile, Zstd } from "../core/index.ts";
import { checkStore } from "./check.ts";
import { Chunks } from "./chunk-store.ts";
import { decodeTotals, TOTALS_KEY } from "./committer.ts";
import type { ControlFile, OpenControl } from "./control-file.ts";
import { controlKey, keyNumber, openRow, tableEnd } from "./control-rows.ts";
import type { Dig, DigUsage } from "./dig.ts";
import { WindowFreeing } from "./freeing.ts";
import { BITMAP, BITMAP_MAGIC, bitmapBlockOf, SUPERBLOCK_COUNT } from "./layout.ts";
import { Leases } from "./leases.ts";
import { writeU64 } from "./run.ts";
import { Store } from "./store.ts";
import { readSuperblocks, writeSuperblock } from "./superblock.ts";
import type { Superblock } from "./superblock.ts";
import { Trees } from "./tree-store.ts";

export const DATA_FILE = "data.dig";
export const CONTROL_FILE = "control.lmdb";
const QUOTA_BLOCKS_MIN = 64;
const EVERY_ROW = Number.MAX_SAFE_INTEGER;

export interface OpenDigOptions {
  readonly disk: Disk;
  /** The machine's directory; holds the data file and the control file. */
  readonly directory: string;
  /** The machine's key: a chunk's hash is SHA-256(key + plain bytes). */
  readonly hashKey: Buffer;
  readonly control: OpenControl;
  /** Makes both files where there is no data file yet. */
  readonly create?: { readonly uuid: string; readonly quotaBytes: number };
  /** A new quota for an existing file. */
  readonly quotaBytes?: number;
  readonly readOnly?: boolean;
  /** Default: Node's. */
  readonly zstd?: Zstd;
}

/**
 * NO_STORE where there is no data file and none is to be made; STORE_CORRUPT where superblocks or the control file are damaged or
 * missing; NEWER_FORMAT. Damage of single rows does not prevent the opening: reads that need them fail, check names them, and
 * nothing is written.
 */
export function openDig(options: OpenDigOptions): Promise<Dig> {
  return openWithParts(options);
}

/** The same, for repair, which reaches below the face. */
export async function openWithParts(options: OpenDigOptions): Promise<OpenedDig> {
  const { disk, directory, readOnly = false } = options;
  const path = `${directory}/${DATA_FILE}`;
  const isNew = !disk.exists(path);
  if (isNew && (options.create === undefined || readOnly)) throw new RainbowError("NO_STORE", `${path} is missing`, { path });
  if (isNew) disk.makeDirectory(directory);
  const file = disk.open(path, { create: isNew, readOnly });
  const controlPath = `${directory}/${CONTROL_FILE}`;
  let control: ControlFile | undefined;
  try {
    if (!isNew && !isUnfinished(file)) {
      const superblock = readSuperblock(file, path);
      control = await options.control({ path: controlPath, create: false, readOnly });
      return await OpenedDig.open(options, file, control, superblock);
    }
    const create = creationOf(options, path);
    if (disk.exists(controlPath)) disk.remove(controlPath); // Of a creation that was cut off.
    control = await options.control({ path: controlPath, create: true, readOnly: false });
    return await OpenedDig.open(options, file, control, createSuperblocks(file, create));
  } catch (error) {
    file.close();
    await control?.close();
    throw error;
  }
}

/** The creation was cut off: the superblocks are made last, so without one nothing can follow them, and nothing was ever stored. */
function isUnfinished(file: DiskFile): boolean {
  return file.sizeBytes() <= SUPERBLOCK_COUNT * BLOCK_BYTES && readSuperblocks(file).newest === undefined;
}

function creationOf({ create, readOnly = false }: OpenDigOptions, path: string): NonNullable<OpenDigOptions["create"]> {
  if (create !== undefined && !readOnly) return create;
  throw new RainbowError("STORE_CORRUPT", `${path} was never finished, or lost all its content`, { path });
}

function createSuperblocks(file: DiskFile, create: NonNullable<OpenDigOptions["create"]>): Superblock {
  const quotaBlocks = quotaBlocksOf(create.quotaBytes);
  const superblock = { uuid: create.uuid, quotaBlocks, state: "open" as const };
  for (const sequence of [2, 3]) writeSuperblock(file, { ...superblock, sequence });
  file.datasyncSync();
  return { ...superblock, sequence: 3 };
}

function readSuperblock(file: DiskFile, path: string): Superblock {
  const { newest, damage } = readSuperblocks(file);
  if (newest !== undefined) return newest;
  throw new RainbowError(
    "STORE_CORRUPT",
    `${path} is no data file of Rainbow, or both its superblocks are damaged (${damage[0]?.what}): run \`rainbow repair\``,
    { path },
  );
}

function quotaBlocksOf(quotaBytes: number): number {
  return Math.max(QUOTA_BLOCKS_MIN, Math.floor(quotaBytes / BLOCK_BYTES));
}

/** What check and repair need besides the face. */
export interface DigInternals {
  readonly store: Store;
  readonly chunks: Chunks;
  readonly trees: Trees;
}

class OpenedDig implements Dig, DigInternals {
  readonly uuid: string;
  readonly chunks: Chunks;
  readonly trees: Trees;
  readonly freeing: WindowFreeing;
  readonly store: Store;
  private readonly control: ControlFile;
  private superblock: Superblock;
  private isClosed = false;

  private constructor(options: OpenDigOptions, file: DiskFile, control: ControlFile, superblock: Superblock) {
    const { disk, directory, readOnly = false } = options;
    const quotaBlocks = options.quotaBytes === undefined ? superblock.quotaBlocks : quotaBlocksOf(options.quotaBytes);
    this.uuid = superblock.uuid;
    this.superblock = { ...superblock, quotaBlocks };
    this.control = control;
    this.store = new Store({ disk, directory, file, control, uuid: superblock.uuid, quotaBlocks, isReadOnly: readOnly });
    const leases = new Leases();
    this.chunks = new Chunks(this.store, options.hashKey, options.zstd ?? nodeZstd);
    this.trees = new Trees(this.store, this.chunks.runs, leases);
    this.freeing = new WindowFreeing(this.store, this.trees, this.chunks, leases);
    this.store.onFreed = (ranges) => ranges.forEach((range) => this.trees.pages.forget(range));
  }

  static async open(options: OpenDigOptions, file: DiskFile, control: ControlFile, superblock: Superblock): Promise<OpenedDig> {
    const dig = new OpenedDig(options, file, control, superblock);
    await dig.load();
    return dig;
  }

  usage(): DigUsage {
    const { allocation, file } = this.store;
    const { chunkCount, storedBytes, treeBlocks } = this.store.committer.totals;
    return {
      quotaBytes: allocation.quotaBlocks * BLOCK_BYTES,
      fileBytes: file.allocatedBytes(),
      allocatedBytes: allocation.takenBlocks * BLOCK_BYTES,
      payloadBytes: storedBytes,
      treeBytes: treeBlocks * BLOCK_BYTES,
      freeBlocks: allocation.freeBlocks,
      controlBytes: this.control.sizeBytes(),
      chunkCount,
    };
  }

  setQuota(quotaBytes: number): void {
    const quotaBlocks = quotaBlocksOf(quotaBytes);
    if (quotaBlocks === this.superblock.quotaBlocks) return;
    this.superblock = { ...this.superblock, quotaBlocks }; // Written with the next mark; the policy says it again at each start.
    this.store.allocation.quotaBlocks = quotaBlocks;
  }

  setLeftFree(freeBytes: number): void {
    this.store.leftFreeBytes = freeBytes;
  }

  check(options: Parameters<Dig["check"]>[0]): ReturnType<Dig["check"]> {
    return checkStore(this, options);
  }

  /** Waits for what is on its way; a store that did not fail is marked as clean, with its bitmap in the data file. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    const { store } = this;
    await store.exclusively(() => Promise.resolve());
    try {
      const isSound = !store.isReadOnly && store.damage.length === 0 && store.committer.failed === undefined;
      if (isSound) await this.writeClean();
    } finally {
      store.file.close();
      await this.control.close();
    }
  }

  private async load(): Promise<void> {
    const { store } = this;
    for (const { key, value } of store.rows.file.range(controlKey("bitmap"), tableEnd("bitmap"), { limit: EVERY_ROW })) {
      store.tolerate(`bitmap row ${keyNumber(key, 0)}`, () => store.allocation.loadSegment(keyNumber(key, 0), openRow(key, value)));
    }
    store.tolerate("sequence row", () => store.loadSequences());
    store.tolerate("totals row", () => {
      const content = store.rows.get(TOTALS_KEY);
      if (content !== undefined) store.committer.totals = decodeTotals(content);
    });
    this.trees.load();
    store.tolerate("window row", () => this.freeing.window());
    store.tolerate("run rows", () => this.chunks.load(this.trees.list()));
    if (store.isReadOnly || store.damage.length > 0) return;
    await this.mark("open");
    store.reserve.makeWhenRoomy();
    await store.leaseSequences();
    await store.exclusively(() => this.trees.recover());
  }

  private async mark(state: Superblock["state"]): Promise<void> {
    this.superblock = { ...this.superblock, sequence: this.superblock.sequence + 1, state };
    writeSuperblock(this.store.file, this.superblock);
    await this.store.dataSync.sync();
  }

  private async writeClean(): Promise<void> {
    const { allocation, file } = this.store;
    for (let group = 0; group < allocation.groups; group++) {
      if (bitmapBlockOf(group) < allocation.endBlock)
        file.write([encodeBitmapBlock(group, this.superblock.sequence + 1, allocation.groupBitmap(group))], bitmapBlockOf(group) * BLOCK_BYTES);
    }
    await this.store.dataSync.sync();
    await this.mark("clean");
  }
}

/** A group's bitmap as it stands in the data file after a clean close. */
export function encodeBitmapBlock(group: number, sequence: number, bits: Buffer): Buffer {
  assert(bits.length === BLOCK_BYTES - BITMAP.bits, "a bitmap block is full");
  const buffer = Buffer.alloc(BLOCK_BYTES);
  buffer.write(BITMAP_MAGIC, BITMAP.magic, "latin1");
  writeU64(buffer, group, BITMAP.group);
  writeU64(buffer, sequence, BITMAP.sequence);
  bits.copy(buffer, BITMAP.bits);
  buffer.writeUInt32LE(crc32(buffer.subarray(BITMAP.group)), BITMAP.crc);
  return buffer;
}
