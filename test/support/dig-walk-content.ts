/** What the chunks and trees of the DIG walk hold: contents that tell themselves from their bytes. */
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { ENCODING } from "../../src/core/index.ts";
import type { ChunkNumber, NewChunk } from "../../src/core/index.ts";
import type { Dig, TreeReader } from "../../src/dig/index.ts";
import { namesChunk, slotOf, treeKey, treeValue, valueOfTree } from "./dig-events.ts";
import type { State } from "./dig-events.ts";

export const HASH_KEY = Buffer.alloc(32, 0x5a);
export const UUID = "0b5f7a54-6a0e-4a7f-9f43-1e2d3c4b5a69";
export const QUOTA_BYTES = 48 << 20;

export function stateOf(tree: TreeReader | undefined): State {
  const state: State = new Map();
  if (tree === undefined) return state;
  for (const { key, value } of tree.range(Buffer.from("d"), Buffer.from("e"))) state.set(slotOf(key), valueOfTree(value));
  return state;
}

export async function referencesOf(tree: TreeReader, count: (chunk: ChunkNumber) => void): Promise<void> {
  for (const [key, { chunk }] of stateOf(tree)) if (namesChunk(key)) count(Number(chunk) as ChunkNumber);
  await Promise.resolve();
}

export function changesBetween(before: State, after: State): { key: Buffer; value: Buffer | undefined }[] {
  const changes: { key: Buffer; value: Buffer | undefined }[] = [];
  for (const key of [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b)) {
    const [old, value] = [before.get(key), after.get(key)];
    if (value === undefined) changes.push({ key: treeKey(key), value: undefined });
    else if (old?.chunk !== value.chunk || old.half !== value.half) changes.push({ key: treeKey(key), value: treeValue(key, value) });
  }
  return changes;
}

const chunkCache = new Map<string, NewChunk>();

/** Plain bytes tell their content; some compress, some are longer than a block. */
export function chunkOf(content: string): NewChunk {
  const known = chunkCache.get(content);
  if (known !== undefined) return known;
  const filler = createHash("sha256").update(content).digest();
  const plain = Buffer.concat([Buffer.from(`${content}\n`), ...new Array<Buffer>(20 + (filler[0]! % 150)).fill(filler)]);
  const encoding = filler[1]! % 2 === 0 ? ENCODING.raw : ENCODING.zstd;
  const stored = encoding === ENCODING.raw ? plain : zstdCompressSync(plain);
  const chunk = { hash: createHash("sha256").update(HASH_KEY).update(plain).digest(), lengthBytes: plain.length, encoding, stored };
  chunkCache.set(content, chunk);
  return chunk;
}

export function contentOf(plain: Buffer): string {
  return plain.toString("latin1", 0, plain.indexOf("\n"));
}

export function storedLength(dig: Dig, chunk: number): number | undefined {
  try {
    return dig.chunks.describe(chunk as ChunkNumber).lengthBytes;
  } catch {
    return undefined;
  }
}
