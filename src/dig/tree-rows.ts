/** Rows about trees: registered trees, the lists of dead pages, staged changes of live counts, and deaths of chunks by revision. */
import { assert, ByteReader, ByteWriter, RainbowError } from "../core/index.ts";
import type { ChunkNumber, Revision } from "../core/index.ts";
import type { ChunkChange, SealedTree, TreeInfo } from "./dig.ts";
import type { PagePointer } from "./tree-page.ts";
import type { ReplacedPage } from "./tree-writer.ts";

const HASH_BYTES_MAX = 64;

export interface RegisteredTree {
  readonly info: TreeInfo;
  /** Absent in an empty tree. */
  readonly root: PagePointer | undefined;
}

function refusal(what: string): (why: string) => RainbowError {
  return (why) => new RainbowError("DIG_CORRUPT", `${what} cannot be read: ${why}`);
}

export function encodeTree({ info, root }: RegisteredTree): Buffer {
  const writer = new ByteWriter(96);
  writer.varint(root === undefined ? 0 : 1);
  writer.varint(root?.block ?? 0);
  writer.u32(root?.crc ?? 0);
  writer.varint(info.nextChunk);
  writer.varint(info.entryCount);
  writer.varint(info.pageCount);
  writer.varint(info.newPageCount);
  writer.sized(info.chainHash);
  return writer.copy();
}

export function decodeTree(revision: number, content: Buffer): RegisteredTree {
  const reader = new ByteReader(content, refusal(`the row of the tree at revision ${revision}`));
  const hasRoot = reader.varint() === 1;
  const pointer = { block: reader.varint(), crc: reader.u32() };
  const nextChunk = reader.varint() as ChunkNumber;
  const [entryCount, pageCount, newPageCount] = [reader.varint(), reader.varint(), reader.varint()];
  const chainHash = Buffer.from(reader.sized(HASH_BYTES_MAX));
  reader.finish();
  return { info: { revision: revision as Revision, chainHash, nextChunk, entryCount, pageCount, newPageCount }, root: hasRoot ? pointer : undefined };
}

export function sealTree({ info, root }: RegisteredTree): SealedTree {
  return { ...info, chainHash: info.chainHash.toString("hex"), rootBlock: root?.block ?? 0, rootCrc: root?.crc ?? 0 };
}

/** Block 0 is a superblock: no tree has its root there. */
export function unsealTree({ rootBlock, rootCrc, chainHash, ...info }: SealedTree): RegisteredTree {
  return { info: { ...info, chainHash: Buffer.from(chainHash, "hex") }, root: rootBlock === 0 ? undefined : { block: rootBlock, crc: rootCrc } };
}

/** Pages that died at `death`. */
export function encodePageDeaths(death: number, pages: readonly ReplacedPage[]): Buffer {
  const writer = new ByteWriter(pages.length * 6);
  let last = 0;
  for (const { start, count, birth } of pages) {
    assert(birth < death, "a page is born before it dies");
    writer.signed(start - last);
    writer.varint(count);
    writer.varint(death - birth);
    last = start;
  }
  return writer.copy();
}

export function decodePageDeaths(death: number, content: Buffer): ReplacedPage[] {
  const reader = new ByteReader(content, refusal("a list of dead pages"));
  const pages: ReplacedPage[] = [];
  let last = 0;
  while (reader.remaining > 0) {
    const start = last + reader.signed();
    pages.push({ start, count: reader.varint(), birth: death - reader.varint() });
    last = start;
  }
  return pages;
}

export function encodeStaged(changes: readonly ChunkChange[]): Buffer {
  const writer = new ByteWriter(changes.length * 6);
  let last = 0;
  for (const { chunk, delta, deathRevision } of changes) {
    writer.signed(chunk - last);
    writer.signed(delta);
    writer.varint(deathRevision ?? 0);
    last = chunk;
  }
  return writer.copy();
}

export function decodeStaged(content: Buffer): ChunkChange[] {
  const reader = new ByteReader(content, refusal("a staged row"));
  const changes: ChunkChange[] = [];
  let last = 0;
  while (reader.remaining > 0) {
    const chunk = (last + reader.signed()) as ChunkNumber;
    const delta = reader.signed();
    const death = reader.varint() as Revision;
    changes.push(death === 0 ? { chunk, delta } : { chunk, delta, deathRevision: death });
    last = chunk;
  }
  return changes;
}

export interface ChunkDeath {
  readonly chunk: number;
  readonly death: number;
}

/** Deaths that became true with the tree at `revision`. */
export function encodeChunkDeaths(revision: number, deaths: readonly ChunkDeath[]): Buffer {
  const writer = new ByteWriter(deaths.length * 4);
  let last = 0;
  for (const { chunk, death } of deaths) {
    assert(death <= revision, "a death is known to the tree that records it");
    writer.signed(chunk - last);
    writer.varint(revision - death);
    last = chunk;
  }
  return writer.copy();
}

export function decodeChunkDeaths(revision: number, content: Buffer): ChunkDeath[] {
  const reader = new ByteReader(content, refusal("a list of dead chunks"));
  const deaths: ChunkDeath[] = [];
  let last = 0;
  while (reader.remaining > 0) {
    const chunk = last + reader.signed();
    deaths.push({ chunk, death: revision - reader.varint() });
    last = chunk;
  }
  return deaths;
}
