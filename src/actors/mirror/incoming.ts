/**
 * The content of the file that is coming in: small ones are gathered in memory, bigger ones go on to the store piece by piece, and
 * blocks of a basis are copied inside the store. Where the store is a tree, copied bytes are read as well, so that the whole content is
 * verified; elsewhere their sums, in full length, speak for them.
 */
import { assert, isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectPlace, ObjectStore, Upload } from "../../objects/index.ts";
import type { FileEntry, RememberedSums } from "../../projections/index.ts";
import { blockBytesFor } from "../../rsync/index.ts";
import type { Agreement, Digests, Entry } from "../../rsync/index.ts";
import { metadataOf } from "./facts.ts";
import { lengthBytesOf, RESUMED_BYTES_MIN, sumsOfFirst } from "./broken-uploads.ts";
import type { BrokenUpload, Resumable } from "./broken-uploads.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { isOfZeros, KeptSums } from "./kept-sums.ts";

/** A stored file whose blocks a request offers: the file itself as it was, or one that looks like it. */
export interface Source {
  readonly entry: FileEntry;
  readonly sums: RememberedSums;
}

export type Content =
  | { readonly kind: "whole"; readonly bytes: Buffer }
  /** Under the key with which it was begun. */
  | { readonly kind: "upload"; readonly upload: Upload; readonly key: ByteString }
  /** Byte for byte what the source has. */
  | { readonly kind: "source"; readonly source: Source };

export interface Arrival {
  readonly content: Content;
  readonly lengthBytes: number;
  readonly literalBytes: number;
  readonly sums: RememberedSums | undefined;
}

export const WHOLE_BYTES_MAX = 1 << 20; // A file up to this size costs less in memory than an upload costs in calls.
const SUMS_BYTES_MIN = 128 << 10; // Smaller files are fetched whole: their sums and the round trip cost about as much.
const RUN_BYTES_MAX = 64 << 20; // One copy inside the store; a break costs no more than that.
const WINDOW_BYTES = 4 << 20; // Read at once where copied bytes are verified.

interface CopyRun {
  readonly offsetBytes: number;
  lengthBytes: number;
}

export class Incoming {
  private readonly store: ObjectStore;
  private readonly entry: Entry;
  private readonly key: ByteString;
  private readonly source: Source | undefined;
  /** The upload that is gone on with, and how much of the file it has. */
  private readonly resumed: Resumable | undefined;
  private readonly resumedBytes: number;
  private readonly agreement: Agreement;
  private readonly digests: Digests;
  private readonly supply: (bytes: Buffer) => void;
  private readonly sums: KeptSums | undefined;
  private readonly reader: SourceReader | undefined;
  private readonly wholeBytesMax: number;
  private readonly checkpoints: Checkpoints | undefined;
  /** Of the file, where the next checkpoint is due. */
  private checkpointBytes = Infinity;
  /** A checkpoint whose last bytes are on their way to the store. */
  private passed: BrokenUpload | undefined;
  private buffer: Buffer | undefined;
  private upload: Upload | undefined;
  private run: CopyRun | undefined;
  /** A resumed upload turned out to be good for nothing, or the source to be another than it was. */
  isSpoiled = false;
  /** Where the source was, if it is not what its sums say. */
  lostSource: ByteString | undefined;
  private lengthBytes = 0;
  private literalBytes = 0;

  constructor(parts: {
    readonly store: ObjectStore;
    readonly entry: Entry;
    /** Under which an upload is stored. */
    readonly key: ByteString;
    readonly source: Source | undefined;
    readonly resumed: Resumable | undefined;
    readonly agreement: Agreement;
    readonly digests: Digests;
    /** Hands the bytes of a copied block to the session. */
    readonly supply: (bytes: Buffer) => void;
    /** Where a process that is killed is to go on with it. */
    readonly checkpoints: Checkpoints | undefined;
  }) {
    const { store, entry, source, resumed, agreement, digests } = parts;
    this.store = store;
    this.entry = entry;
    this.key = parts.key;
    this.source = source;
    this.resumed = resumed;
    this.resumedBytes = resumed === undefined ? 0 : lengthBytesOf(resumed.sums);
    this.agreement = agreement;
    this.digests = digests;
    this.upload = resumed?.upload;
    this.supply = parts.supply;
    this.wholeBytesMax = Math.min(store.wholeBytesMax, WHOLE_BYTES_MAX);
    const basis = source?.sums ?? resumed?.sums;
    const keepsSums = agreement.seed !== 0 && (basis !== undefined || entry.sizeBytes >= SUMS_BYTES_MIN);
    this.sums = keepsSums ? new KeptSums(digests, agreement, basis?.blockBytes ?? keptBlockBytes(entry.sizeBytes)) : undefined;
    this.reader = source !== undefined && store.features.isTree ? new SourceReader(store, source.entry) : undefined;
    this.checkpoints = source === undefined && keepsSums ? parts.checkpoints : undefined;
    this.setCheckpoint(this.resumedBytes);
    if (basis === undefined && entry.sizeBytes <= this.wholeBytesMax) this.buffer = Buffer.allocUnsafeSlow(entry.sizeBytes);
  }

  data(bytes: Buffer): void | Promise<void> {
    if (this.lengthBytes < this.resumedBytes) this.isSpoiled = true; // The file is another one than its list says.
    if (this.isSpoiled) return;
    if (this.lengthBytes + bytes.length < this.checkpointBytes) this.sums?.literal(bytes);
    else this.sumAcross(bytes);
    const start = this.lengthBytes;
    this.lengthBytes += bytes.length;
    this.literalBytes += bytes.length;
    if (this.buffer === undefined)
      return this.upload !== undefined && this.run === undefined ? this.upload.write(bytes) : this.fromSource(() => this.writeLater(bytes));
    if (this.lengthBytes > this.buffer.length) return this.outgrow(bytes, start);
    this.buffer.set(bytes, start);
  }

  private setCheckpoint(fromBytes: number): void {
    if (this.checkpoints !== undefined) this.checkpointBytes = fromBytes + this.checkpoints.everyBytesOf(this.entry.sizeBytes);
  }

  /** A checkpoint is passed where the next block ends, and taken when the next bytes come: then the store has all before them. */
  private sumAcross(bytes: Buffer): void {
    const { sums, upload, entry, passed, checkpoints } = this;
    assert(sums !== undefined && checkpoints !== undefined, "a file with checkpoints has sums");
    if (passed !== undefined) {
      checkpoints.take(passed);
      this.passed = undefined;
      this.setCheckpoint(this.lengthBytes);
      return sums.literal(bytes);
    }
    const endBytes = sums.bytesToBlockEnd(Math.max(0, this.checkpointBytes - this.lengthBytes));
    if (upload === undefined || upload.token === "" || endBytes > bytes.length) return sums.literal(bytes);
    sums.literal(bytes.subarray(0, endBytes));
    const soFar = sums.soFar();
    if (soFar === undefined) this.checkpointBytes = Infinity;
    else this.passed = { entry, token: upload.token, sums: soFar };
    sums.literal(bytes.subarray(endBytes));
  }

  copy(block: number, lengthBytes: number): void | Promise<void> {
    if (this.resumed !== undefined) return this.skip(this.resumed, block, lengthBytes);
    assert(this.source !== undefined, "only a request with a basis is answered with its blocks");
    if (this.isSpoiled) return;
    const { sums } = this.source;
    this.sums?.copied(sums, block, lengthBytes);
    this.lengthBytes += lengthBytes;
    const offsetBytes = sums.offsets?.[block] ?? block * sums.blockBytes;
    const bytes = this.reader?.at(offsetBytes, lengthBytes);
    if (bytes instanceof Buffer) this.supply(bytes);
    const { run } = this;
    if (bytes instanceof Promise || (run !== undefined && (run.offsetBytes + run.lengthBytes !== offsetBytes || run.lengthBytes >= RUN_BYTES_MAX)))
      return this.fromSource(() => this.copyLater(bytes instanceof Promise ? bytes : undefined, offsetBytes, lengthBytes));
    this.extend(offsetBytes, lengthBytes);
  }

  /** What a resumed upload has is passed over in order. Any other block of it cannot be had from there, but for zeros. */
  private skip({ sums }: Resumable, block: number, lengthBytes: number): void | Promise<void> {
    if (this.lengthBytes < this.resumedBytes && block * sums.blockBytes === this.lengthBytes) {
      this.sums?.copied(sums, block, lengthBytes);
      this.lengthBytes += lengthBytes;
      return;
    }
    if (!isOfZeros(sums, block, lengthBytes, this.digests, this.agreement)) this.isSpoiled = true;
    return this.isSpoiled ? undefined : this.data(Buffer.alloc(lengthBytes));
  }

  /** The connection broke: what can be gone on with later, after the upload was let go. */
  async suspend(): Promise<BrokenUpload | undefined> {
    const { upload, entry } = this;
    const sums = this.isSpoiled || this.source !== undefined ? undefined : this.sums?.finish();
    this.upload = undefined;
    if (upload === undefined) return undefined;
    // The sums of a very large file end before it does: what lies behind them is fetched again.
    const coveredBytes = sums === undefined ? 0 : Math.min(lengthBytesOf(sums), upload.writtenBytes);
    const isWorthIt = sums !== undefined && coveredBytes >= RESUMED_BYTES_MIN;
    const wholeSums = isWorthIt ? sumsOfFirst(sums, coveredBytes - (coveredBytes % sums.blockBytes)) : undefined;
    if (wholeSums === undefined) {
      await upload.abort();
      return undefined;
    }
    await upload.suspend();
    return upload.token === "" ? undefined : { entry, token: upload.token, sums: wholeSums };
  }

  /** The content is whole: what there is to be stored; undefined where it is spoiled after all. */
  async finish(): Promise<Arrival | undefined> {
    const { source, run, lengthBytes, literalBytes } = this;
    this.checkpoints?.over(this.entry.path);
    const sums = this.sums?.finish();
    if (this.buffer !== undefined) return { content: { kind: "whole", bytes: filled(this.buffer, lengthBytes) }, lengthBytes, literalBytes, sums };
    const isSource = source !== undefined && this.upload === undefined && run?.offsetBytes === 0 && run.lengthBytes === lengthBytes;
    if (isSource && lengthBytes === source.entry.sizeBytes) return { content: { kind: "source", source }, lengthBytes, literalBytes, sums };
    await this.fromSource(async () => void (await this.open()));
    if (this.isSpoiled) return undefined;
    assert(this.upload !== undefined, "it was opened");
    return { content: { kind: "upload", upload: this.upload, key: this.key }, lengthBytes, literalBytes, sums };
  }

  /** As `finish`, at once, for content that lies in memory; undefined for any other. */
  finishSmall(): Arrival | undefined {
    const { buffer, lengthBytes, literalBytes } = this;
    if (buffer === undefined) return undefined;
    return { content: { kind: "whole", bytes: filled(buffer, lengthBytes) }, lengthBytes, literalBytes, sums: this.sums?.finish() };
  }

  get resumedUpload(): Upload | undefined {
    return this.resumed?.upload;
  }

  async abandon(): Promise<undefined> {
    this.checkpoints?.over(this.entry.path);
    await this.upload?.abort();
    this.upload = undefined;
  }

  private extend(offsetBytes: number, lengthBytes: number): void {
    if (this.run === undefined) this.run = { offsetBytes, lengthBytes };
    else this.run.lengthBytes += lengthBytes;
  }

  /** Where the source is not what it was, the file is spoiled: another round fetches it without that. */
  private async fromSource(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.source === undefined || !isRainbowError(error, "OBJECT_CHANGED")) throw error;
      this.isSpoiled = true;
      this.lostSource = this.source.entry.path;
    }
  }

  private async copyLater(bytes: Promise<Buffer> | undefined, offsetBytes: number, lengthBytes: number): Promise<void> {
    if (bytes !== undefined) this.supply(await bytes);
    const { run } = this;
    // The first run may be the whole file: it waits for its end, however long it gets.
    const mayBeAll = run !== undefined && run.offsetBytes === 0 && this.upload === undefined;
    const follows = run !== undefined && run.offsetBytes + run.lengthBytes === offsetBytes;
    if (run !== undefined && (!follows || (run.lengthBytes >= RUN_BYTES_MAX && !mayBeAll))) await this.open();
    this.extend(offsetBytes, lengthBytes);
  }

  private async writeLater(bytes: Buffer): Promise<void> {
    const upload = await this.open();
    await upload.write(bytes);
  }

  /** A file that grew: from memory into an upload. */
  private async outgrow(bytes: Buffer, fillBytes: number): Promise<void> {
    const { buffer } = this;
    assert(buffer !== undefined, "the content lies in memory");
    if (this.lengthBytes <= this.wholeBytesMax) {
      this.buffer = Buffer.allocUnsafe(Math.min(this.wholeBytesMax, this.lengthBytes * 2));
      buffer.copy(this.buffer, 0, 0, fillBytes);
      bytes.copy(this.buffer, fillBytes);
      return;
    }
    this.buffer = undefined;
    const upload = await this.open();
    await upload.write(buffer.subarray(0, fillBytes));
    await upload.write(bytes);
  }

  /** The upload, begun where it was not, with all that was copied so far. */
  private async open(): Promise<Upload> {
    const { key } = this;
    this.upload ??= await this.store.begin({ key, metadata: metadataOf(this.entry), sizeBytes: this.entry.sizeBytes });
    const { run, source } = this;
    this.run = undefined;
    if (run === undefined || source === undefined) return this.upload;
    const { place } = source.entry;
    assert(place !== undefined, "a basis is a stored object");
    for (let at = 0; at < run.lengthBytes; at += RUN_BYTES_MAX) {
      const lengthBytes = Math.min(RUN_BYTES_MAX, run.lengthBytes - at);
      await this.upload.copyFrom(source.entry.path, place, { offsetBytes: run.offsetBytes + at, lengthBytes });
    }
    return this.upload;
  }
}

/** Powers of two, so that the parts of a store end where blocks end: what a broken upload has is then covered by whole blocks. */
function keptBlockBytes(sizeBytes: number): number {
  return sizeBytes <= WHOLE_BYTES_MAX ? blockBytesFor(sizeBytes) : 2 ** Math.round(Math.log2(blockBytesFor(sizeBytes)));
}

function filled(buffer: Buffer, lengthBytes: number): Buffer {
  return buffer.length === lengthBytes ? buffer : buffer.subarray(0, lengthBytes);
}

/** Bytes of a stored file, read ahead: blocks are copied mostly in order. */
class SourceReader {
  private readonly store: ObjectStore;
  private readonly key: ByteString;
  private readonly place: ObjectPlace;
  private readonly sizeBytes: number;
  private window: Buffer = Buffer.alloc(0);
  private windowStart = 0;

  constructor(store: ObjectStore, entry: FileEntry) {
    assert(entry.place !== undefined, "a basis is a stored object");
    this.store = store;
    this.key = entry.path;
    this.place = entry.place;
    this.sizeBytes = entry.sizeBytes;
  }

  /** Valid until the next call. */
  at(offsetBytes: number, lengthBytes: number): Buffer | Promise<Buffer> {
    const start = offsetBytes - this.windowStart;
    if (start >= 0 && start + lengthBytes <= this.window.length) return this.window.subarray(start, start + lengthBytes);
    return this.refill(offsetBytes, lengthBytes);
  }

  private async refill(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    const wantedBytes = Math.max(lengthBytes, Math.min(WINDOW_BYTES, this.sizeBytes - offsetBytes));
    if (this.window.buffer.byteLength < wantedBytes) this.window = Buffer.allocUnsafeSlow(Math.max(WINDOW_BYTES, wantedBytes));
    const into = Buffer.from(this.window.buffer);
    let fill = 0;
    for await (const piece of this.store.read(this.key, { place: this.place, range: { offsetBytes, lengthBytes: wantedBytes } })) {
      into.set(piece, fill);
      fill += piece.length;
    }
    this.window = into.subarray(0, fill);
    this.windowStart = offsetBytes;
    assert(fill >= lengthBytes, "the store gives what it has under a place");
    return this.window.subarray(0, lengthBytes);
  }
}
