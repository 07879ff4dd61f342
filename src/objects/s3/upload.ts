/**
 * One file on its way into the bucket. Bytes are gathered into parts, which are sent while the next is gathered; ranges of stored
 * objects become parts by a copy inside the store where they are long enough, and are read and written otherwise. What stays smaller
 * than a part is put whole. At most PARTS_IN_FLIGHT + 1 parts are in memory.
 */
import { createHash } from "node:crypto";
import { assert } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ByteRange, NewUpload, ObjectMetadata, ObjectPlace, Upload } from "../object-store.ts";
import type { Bucket } from "./bucket.ts";
import { codeOf, failureOf } from "./failures.ts";
import { encodeMetadata } from "./headers.ts";
import type { StoredName } from "./names.ts";
import { checkPartNumber, copyPieces, partSizesFor } from "./part-sizes.ts";
import type { PartSizes } from "./part-sizes.ts";

const PARTS_IN_FLIGHT = 2;
/** What servers say of an upload that they do not have; Ceph says the second where others say the first. */
export const LOST_CODES: readonly string[] = ["NoSuchUpload", "NoSuchKey"];
const BUFFER_BYTES_FIRST = 256 * 1024;

export interface Part {
  readonly number: number;
  readonly etag: string;
}

/** What the bucket has of an upload that was begun before. */
export interface Resumed {
  readonly uploadId: string;
  readonly parts: readonly Part[];
  readonly writtenBytes: number;
}

interface PendingCopy {
  readonly source: ByteString;
  readonly place: ObjectPlace;
  readonly offsetBytes: number;
  lengthBytes: number;
}

export class S3Upload implements Upload {
  readonly #bucket: Bucket;
  /** Gives the stored object another description, by a copy onto itself. */
  readonly #describeAnew: (metadata: ObjectMetadata) => Promise<ObjectPlace>;
  readonly #key: ByteString;
  readonly #name: StoredName;
  readonly #metadata: ObjectMetadata;
  readonly #sizes: PartSizes;
  #uploadId: string | undefined;
  #partCount: number;
  readonly #parts: Part[];
  #writtenBytes: number;
  #buffer = Buffer.allocUnsafe(0);
  #buffered = 0;
  /** The range that was copied last, not yet made into parts: the next one may go on where it ends. */
  #copy: PendingCopy | undefined;
  /** Sizes of the sources seen, so that a range beyond the end is refused and not cut by the server. */
  readonly #sourceBytes = new Map<string, number>();
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown = undefined;
  #isOpen = true;
  #lacksDigest = false;

  constructor(bucket: Bucket, upload: NewUpload, describeAnew: (metadata: ObjectMetadata) => Promise<ObjectPlace>, resumed?: Resumed) {
    this.#bucket = bucket;
    this.#describeAnew = describeAnew;
    this.#key = upload.key;
    this.#name = bucket.nameOf(upload.key);
    this.#metadata = upload.metadata;
    this.#sizes = partSizesFor(upload.sizeBytes);
    this.#uploadId = resumed?.uploadId;
    this.#parts = [...(resumed?.parts ?? [])];
    this.#partCount = this.#parts.length;
    this.#writtenBytes = resumed?.writtenBytes ?? 0;
  }

  /** "" where the store knows nothing of it yet. */
  get token(): string {
    return this.#uploadId ?? "";
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get lacksDigest(): boolean {
    return this.#lacksDigest;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#checkOpen();
    this.#writtenBytes += bytes.length;
    const fits = this.#copy === undefined && this.#buffered + bytes.length < this.#sizes.partBytes;
    if (!fits) return this.#writeAcross(bytes);
    this.#append(bytes);
    return undefined;
  }

  async #writeAcross(bytes: Uint8Array): Promise<void> {
    await this.#drainCopy(false);
    await this.#gather(bytes);
  }

  /** Into the buffer, and full parts on their way. */
  async #gather(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.#sizes.partBytes - this.#buffered);
      this.#append(piece);
      at += piece.length;
      if (this.#buffered === this.#sizes.partBytes) await this.#flush();
    }
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#buffered + bytes.length;
    if (needed > this.#buffer.length) {
      const bigger = Buffer.allocUnsafe(Math.min(this.#sizes.partBytes, Math.max(needed, BUFFER_BYTES_FIRST, this.#buffer.length * 4)));
      this.#buffer.copy(bigger, 0, 0, this.#buffered);
      this.#buffer = bigger;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered = needed;
  }

  /** Sends what is gathered as a part; returns when there is room for another. */
  async #flush(): Promise<void> {
    const body = this.#buffer.subarray(0, this.#buffered);
    this.#buffer = Buffer.allocUnsafe(0);
    this.#buffered = 0;
    const { sdk, client } = this.#bucket;
    await this.#sendPart(async (target) => {
      const answer = await client.send(new sdk.UploadPartCommand({ ...target, Body: body, ContentLength: body.length }));
      return answer.ETag;
    });
  }

  async #sendPart(send: (target: { Bucket: string; Key: string; UploadId: string; PartNumber: number }) => Promise<string | undefined>): Promise<void> {
    await this.#start();
    const number = ++this.#partCount;
    checkPartNumber(number);
    const target = { ...this.#bucket.at(this.#name.name), UploadId: this.#uploadId!, PartNumber: number };
    const sent = this.#bucket
      .ask("storing a part of", this.#name.name, () => send(target))
      .then(
        (etag) => void this.#parts.push({ number, etag: (etag ?? "").replace(/^"|"$/g, "") }),
        (error: unknown) => void (this.#failure ??= error),
      );
    this.#inFlight.add(sent);
    void sent.then(() => this.#inFlight.delete(sent));
    while (this.#inFlight.size >= PARTS_IN_FLIGHT) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Opens the upload in the bucket, once. */
  async start(): Promise<void> {
    await this.#start();
  }

  async #start(): Promise<void> {
    if (this.#uploadId !== undefined) return;
    const { sdk, client } = this.#bucket;
    const command = new sdk.CreateMultipartUploadCommand({ ...this.#bucket.at(this.#name.name), ...this.#bucket.describe(this.#key, this.#metadata) });
    const answer = await this.#bucket.ask("opening an upload of", this.#name.name, () => client.send(command));
    assert(answer.UploadId !== undefined, "the server names a new upload");
    this.#uploadId = answer.UploadId;
  }

  async copyFrom(source: ByteString, place: ObjectPlace, { offsetBytes, lengthBytes }: ByteRange): Promise<void> {
    this.#checkOpen();
    if (offsetBytes + lengthBytes > (await this.#sizeOf(source, place))) throw this.#bucket.tooShort(source);
    const last = this.#copy;
    const goesOn = last?.source === source && last.place.etag === place.etag && last.offsetBytes + last.lengthBytes === offsetBytes;
    if (goesOn) last.lengthBytes += lengthBytes;
    else {
      await this.#drainCopy(false);
      this.#copy = { source, place, offsetBytes, lengthBytes };
    }
    this.#writtenBytes += lengthBytes;
  }

  async #sizeOf(source: ByteString, place: ObjectPlace): Promise<number> {
    const id = `${source}\0${place.version ?? place.etag}`;
    const known = this.#sourceBytes.get(id);
    if (known !== undefined) return known;
    const { sdk, client } = this.#bucket;
    const { name } = this.#bucket.nameOf(source);
    const only = place.version === undefined ? { IfMatch: `"${place.etag}"` } : { VersionId: place.version };
    const answer = await this.#bucket.ask("looking at", name, () => client.send(new sdk.HeadObjectCommand({ ...this.#bucket.at(name), ...only })));
    this.#sourceBytes.set(id, answer.ContentLength ?? 0);
    return answer.ContentLength ?? 0;
  }

  /** Makes parts of the pending copy: first enough of it to complete what is gathered, then the rest inside the store. */
  async #drainCopy(isLast: boolean): Promise<void> {
    const copy = this.#copy;
    this.#copy = undefined;
    if (copy === undefined) return;
    const { partBytesMin } = this.#sizes;
    const missing = this.#buffered === 0 ? 0 : Math.max(0, partBytesMin - this.#buffered);
    const rest = copy.lengthBytes - missing;
    const isWorthIt = rest >= partBytesMin || (isLast && rest > 0 && this.#partCount + (this.#buffered > 0 ? 1 : 0) > 0);
    const readBytes = isWorthIt ? missing : copy.lengthBytes;
    for await (const piece of this.#bucket.exactly(copy.source, copy.place, copy.offsetBytes, readBytes)) await this.#gather(piece);
    if (!isWorthIt) return;
    if (this.#buffered > 0) await this.#flush();
    for (const piece of copyPieces(copy.offsetBytes + missing, rest)) await this.#sendCopy(copy, piece);
  }

  async #sendCopy({ source, place }: PendingCopy, { offsetBytes, lengthBytes }: ByteRange): Promise<void> {
    const { sdk, client } = this.#bucket;
    const from = this.#bucket.copySource(this.#bucket.nameOf(source).name, place);
    await this.#sendPart(async (target) => {
      const range = `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}`;
      const answer = await client.send(new sdk.UploadPartCopyCommand({ ...target, ...from, CopySourceRange: range }));
      return answer.CopyPartResult?.ETag;
    });
  }

  async complete(metadata: ObjectMetadata): Promise<ObjectPlace> {
    this.#checkOpen();
    assert(metadata.kind === "file", "an upload makes a file");
    await this.#drainCopy(true);
    await this.#bucket.putPathObject(this.#key, false, this.#name);
    if (this.#partCount === 0) return this.#putWhole(metadata);
    if (this.#buffered > 0) await this.#flush();
    await this.#arrived();
    const place = await this.#join();
    this.#isOpen = false;
    // What an object is described by is fixed when its upload is opened.
    const [begun, wanted] = [encodeMetadata(this.#metadata), encodeMetadata(metadata)];
    const isDescribed = begun["mode"] === wanted["mode"] && begun["mtime"] === wanted["mtime"];
    if (!isDescribed) return this.#describeAnew(metadata);
    this.#lacksDigest = begun["digest"] !== wanted["digest"];
    return place;
  }

  async #putWhole(metadata: ObjectMetadata): Promise<ObjectPlace> {
    const { sdk, client } = this.#bucket;
    const command = new sdk.PutObjectCommand({
      ...this.#bucket.at(this.#name.name),
      ...this.#bucket.describe(this.#key, metadata),
      Body: this.#buffer.subarray(0, this.#buffered),
    });
    const answer = await this.#bucket.ask("storing", this.#name.name, () => client.send(command));
    await this.abort();
    return this.#bucket.placeOf(answer);
  }

  async #join(): Promise<ObjectPlace> {
    const { sdk, client, name } = this.#bucket;
    const parts = this.#parts.toSorted((a, b) => a.number - b.number);
    const target = { ...this.#bucket.at(this.#name.name), UploadId: this.#uploadId! };
    const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: `"${etag}"` }));
    try {
      const answer = await client.send(new sdk.CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts } }));
      return await this.#bucket.placeAfter(this.#name.name, answer);
    } catch (error) {
      // A repeat whose first answer was lost finds no such upload: what is there then tells whether it was done.
      const isLost = LOST_CODES.includes(codeOf(error));
      const place = isLost ? await this.#bucket.placeNow(this.#name.name) : undefined;
      if (place?.etag === joinedTag(parts)) return place;
      throw failureOf(error, `completing s3://${name}/${target.Key}`);
    }
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#copy = undefined;
    await Promise.all(this.#inFlight);
    if (this.#uploadId !== undefined) await abortUpload(this.#bucket, this.#bucket.prefix + this.#name.name, this.#uploadId);
  }

  async suspend(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.all(this.#inFlight);
  }

  async #arrived(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #checkOpen(): void {
    assert(this.#isOpen, "an upload that ended takes no more");
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The tag of the object that these parts make: the MD5 of their MD5s, with their count. */
function joinedTag(parts: readonly Part[]): string {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(Buffer.from(etag, "hex"));
  return `${hash.digest("hex")}-${parts.length}`;
}

/** `key` is the whole key in the bucket. An upload that is not there any more is fine. */
export async function abortUpload(bucket: Bucket, key: string, uploadId: string): Promise<void> {
  try {
    await bucket.client.send(new bucket.sdk.AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId: uploadId }));
  } catch (error) {
    if (!LOST_CODES.includes(codeOf(error))) throw failureOf(error, `forgetting an upload of s3://${bucket.name}/${key}`);
  }
}
