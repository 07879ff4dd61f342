/**
 * Two superblocks, written in turn: a write that tears leaves the other one. They say what file this is and how large it may grow; a
 * lost pair loses no data (the UUID stands in every run header), but the file is not opened without one.
 */
import { crc32 } from "node:zlib";
import { assert, BLOCK_BYTES, RainbowError } from "../core/index.ts";
import type { DiskFile } from "../core/index.ts";
import { FORMAT_VERSION, SUPERBLOCK, SUPERBLOCK_COUNT, SUPERBLOCK_MAGIC, SUPERBLOCK_STATE } from "./layout.ts";
import { readU64, uuidBytes, uuidText, writeU64 } from "./run.ts";

export interface Superblock {
  readonly uuid: string;
  readonly sequence: number;
  readonly quotaBlocks: number;
  readonly state: "open" | "clean";
}

export function encodeSuperblock(superblock: Superblock): Buffer {
  assert(superblock.quotaBlocks > 0, "a data file has a quota");
  const buffer = Buffer.alloc(BLOCK_BYTES);
  buffer.write(SUPERBLOCK_MAGIC, SUPERBLOCK.magic, "latin1");
  buffer.writeUInt16LE(FORMAT_VERSION, SUPERBLOCK.version);
  buffer.writeUInt32LE(SUPERBLOCK_STATE[superblock.state], SUPERBLOCK.state);
  uuidBytes(superblock.uuid).copy(buffer, SUPERBLOCK.uuid);
  writeU64(buffer, superblock.sequence, SUPERBLOCK.sequence);
  writeU64(buffer, superblock.quotaBlocks, SUPERBLOCK.quotaBlocks);
  buffer.writeUInt32LE(superblockCrc(buffer), SUPERBLOCK.crc);
  return buffer;
}

/** "blank" where no superblock stands there; a text where it is damaged. NEWER_FORMAT is thrown. */
export function decodeSuperblock(buffer: Buffer): Superblock | "blank" | { readonly damage: string } {
  if (buffer.length < BLOCK_BYTES || buffer.every((byte) => byte === 0)) return "blank";
  if (buffer.toString("latin1", SUPERBLOCK.magic, SUPERBLOCK.magic + 4) !== SUPERBLOCK_MAGIC) return { damage: "its magic is not that of a data file" };
  if (buffer.readUInt32LE(SUPERBLOCK.crc) !== superblockCrc(buffer)) return { damage: "its checksum does not match" };
  const version = buffer.readUInt16LE(SUPERBLOCK.version);
  if (version > FORMAT_VERSION)
    throw new RainbowError("NEWER_FORMAT", `the data file has format ${version}; this version of Rainbow reads up to ${FORMAT_VERSION}`, { version });
  const state = buffer.readUInt32LE(SUPERBLOCK.state) === SUPERBLOCK_STATE.clean ? "clean" : "open";
  return {
    uuid: uuidText(buffer, SUPERBLOCK.uuid),
    sequence: readU64(buffer, SUPERBLOCK.sequence),
    quotaBlocks: readU64(buffer, SUPERBLOCK.quotaBlocks),
    state,
  };
}

/** The newer intact superblock, and what is wrong with the other. */
export function readSuperblocks(file: DiskFile): {
  readonly newest: Superblock | undefined;
  readonly damage: readonly { readonly block: number; readonly what: string }[];
} {
  const damage: { block: number; what: string }[] = [];
  let newest: Superblock | undefined;
  for (let block = 0; block < SUPERBLOCK_COUNT; block++) {
    const buffer = Buffer.alloc(BLOCK_BYTES);
    const length = file.read(buffer, block * BLOCK_BYTES);
    const decoded = decodeSuperblock(buffer.subarray(0, length));
    if (decoded === "blank") damage.push({ block, what: "the superblock is blank" });
    else if ("damage" in decoded) damage.push({ block, what: `the superblock is damaged: ${decoded.damage}` });
    else if (newest === undefined || decoded.sequence > newest.sequence) newest = decoded;
  }
  return { newest, damage };
}

/** Writes the next superblock into the slot of the older one. Durable after the next sync. */
export function writeSuperblock(file: DiskFile, superblock: Superblock): void {
  file.write([encodeSuperblock(superblock)], (superblock.sequence % SUPERBLOCK_COUNT) * BLOCK_BYTES);
}

function superblockCrc(buffer: Buffer): number {
  return crc32(buffer.subarray(SUPERBLOCK.state), crc32(buffer.subarray(0, SUPERBLOCK.crc)));
}
