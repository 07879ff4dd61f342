/** A View over a frozen State. */
import { CHUNK_BYTES_MAX, MACHINE_NODE, RainbowError, displayOf } from "../../core/index.ts";
import type { ByteString, ChunkNumber, Extent, NodeId, Revision, TimeUs } from "../../core/index.ts";
import type { ChunkStore, ReaderHold } from "../../dig/index.ts";
import type { Gap, NameEntry, NodeRecord, View } from "../view.ts";
import { settledExtents } from "./content.ts";
import { factsOf } from "./control-facts.ts";
import type { ControlFacts } from "./control-facts.ts";
import { decodeFact, decodeGap } from "./control.ts";
import type { Root } from "./control.ts";
import { PREFIX } from "./keys.ts";
import { contentPurged } from "./purges.ts";
import type { Purge, Purges } from "./purges.ts";
import type { State } from "./state.ts";

const CHUNKS_KEPT = 16; // 1 MiB of plain bytes: reading on in a scattered file decodes few chunks twice.

export interface StateViewOptions {
  readonly state: State;
  readonly revision: Revision;
  readonly chunks: ChunkStore;
  /** As they are now, not as they were at this revision. */
  readonly purges: () => Purges;
  /** Gaps that were found later and reach back to this revision. */
  readonly laterGaps: readonly Gap[];
  readonly hold: ReaderHold;
  readonly onClose: () => void;
}

export class StateView implements View {
  readonly revision: Revision;
  /** For siblings: digests and comparisons. */
  readonly state: State;
  private readonly options: StateViewOptions;
  private readonly kept = new Map<ChunkNumber, Buffer>();
  private isClosed = false;

  constructor(options: StateViewOptions) {
    this.options = options;
    this.state = options.state;
    this.revision = options.revision;
  }

  /** Agent time of the batch that ends here. */
  get timeUs(): TimeUs {
    return this.state.times.agentTimeUs;
  }

  lookup(parent: NodeId, name: ByteString): NameEntry | undefined {
    const value = this.state.name(parent, name);
    if (value === undefined || this.isHidden(value)) return undefined;
    return { name, node: value.node, kind: value.kind };
  }

  *list(parent: NodeId): IterableIterator<NameEntry> {
    for (const { name, value } of this.state.names(parent)) if (!this.isHidden(value)) yield { name, node: value.node, kind: value.kind };
  }

  node(node: NodeId): NodeRecord | undefined {
    return node === MACHINE_NODE ? undefined : this.state.node(node);
  }

  extents(node: NodeId, fromBytes: number, toBytes: number): Extent[] {
    const record = this.state.node(node);
    return record === undefined ? [] : settledExtents(this.state, record, Math.max(0, fromBytes), toBytes);
  }

  read(node: NodeId, offsetBytes: number, lengthBytes: number, into?: Buffer): Buffer {
    const record = this.state.node(node);
    if (record === undefined || record.kind !== "file") {
      throw new RainbowError("NOT_FOUND", `no file of that number existed at r${this.revision}`, { node, revision: this.revision });
    }
    if (record.mirrored !== undefined) throw elsewhere(record);
    this.options.hold.use();
    const purge = this.purged(node);
    if (purge !== undefined) throw contentPurged(record.names[0]?.name ?? "", this.revision, purge);
    const byteCount = Math.max(0, Math.min(lengthBytes, record.sizeBytes - offsetBytes));
    const bytes = into !== undefined && byteCount <= into.length ? into.subarray(0, byteCount) : Buffer.allocUnsafe(byteCount);
    let end = 0;
    for (const extent of settledExtents(this.state, record, offsetBytes, offsetBytes + bytes.length)) {
      const from = extent.offset - offsetBytes;
      if (from > end) bytes.fill(0, end, from);
      end = from + extent.length;
      if (this.isTakenWhole(extent, bytes.subarray(from, end))) continue;
      const plain = this.chunk(extent.chunk);
      if (extent.chunkOffset + extent.length > plain.length) throw shortChunk(record, extent);
      plain.copy(bytes, from, extent.chunkOffset, extent.chunkOffset + extent.length);
    }
    return end < bytes.length ? bytes.fill(0, end) : bytes;
  }

  purged(node: NodeId): Purge | undefined {
    return this.options.purges().of(node, this.revision);
  }

  gaps(): readonly Gap[] {
    return [...this.state.controls(PREFIX.openGap).map(({ value }) => decodeGap(value)), ...this.options.laterGaps];
  }

  roots(): readonly Root[] {
    return this.state.controls(PREFIX.root).map(({ value }) => decodeFact<Root>(value));
  }

  facts(): ControlFacts {
    return factsOf(this.state);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.kept.clear();
    this.options.onClose();
  }

  /** In a lazy State the mark may wait among what was put off. */
  private isHidden(value: { readonly node: NodeId; readonly hidden: boolean }): boolean {
    return value.hidden && (!this.state.isLazy || this.state.node(value.node)?.hidden !== false);
  }

  /** A chunk that is read whole will hardly be asked for again: it goes straight to where it is wanted. */
  private isTakenWhole({ chunk, chunkOffset }: Extent, into: Buffer): boolean {
    return chunkOffset === 0 && !this.kept.has(chunk) && this.options.chunks.readInto(chunk, into) === into.length;
  }

  private chunk(chunk: ChunkNumber): Buffer {
    const known = this.kept.get(chunk);
    if (known !== undefined) return known;
    const room = this.roomForOne();
    const plain = room.subarray(0, this.options.chunks.readInto(chunk, room));
    this.kept.set(chunk, plain);
    return plain;
  }

  /** New memory until enough are kept, then that of the oldest. Nothing that read gives is a part of it. */
  private roomForOne(): Buffer {
    if (this.kept.size < CHUNKS_KEPT) return Buffer.allocUnsafeSlow(CHUNK_BYTES_MAX);
    const [oldest, plain] = this.kept.entries().next().value!;
    this.kept.delete(oldest);
    return Buffer.from(plain.buffer, 0, CHUNK_BYTES_MAX);
  }
}

function elsewhere(record: NodeRecord): RainbowError {
  const name = displayOf(record.names[0]?.name ?? ("" as ByteString));
  return new RainbowError("UNSUPPORTED", `the content of '${name}' lies in the object store of its mirror`, { node: record.node });
}

function shortChunk(record: NodeRecord, extent: Extent): RainbowError {
  const name = displayOf(record.names[0]?.name ?? ("" as ByteString));
  return new RainbowError("DIG_CORRUPT", `file '${name}' names bytes of chunk ${extent.chunk} that it does not have: run \`rainbow check\``, {
    node: record.node,
    chunk: extent.chunk,
  });
}
