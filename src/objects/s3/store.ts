/** The ObjectStore over one bucket, or what lies below a prefix of it. */
import type { ListMultipartUploadsCommandOutput } from "@aws-sdk/client-s3";
import { byteStringOf, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { TOP_KEY } from "../object-store.ts";
import type {
  FailedDeletion,
  ListOptions,
  NewObject,
  NewUpload,
  ObjectMetadata,
  ObjectName,
  ObjectPlace,
  ObjectStore,
  ObjectStoreFeatures,
  ReadOptions,
  StoredObject,
  Upload,
} from "../object-store.ts";
import type { Bucket } from "./bucket.ts";
import { codeOf, failureOf, statusOf, statusOfCode } from "./failures.ts";
import { decodeMetadata } from "./headers.ts";
import { decodedKey, listObjects } from "./listing.ts";
import { FILE_BYTES_MAX, partSizesFor } from "./part-sizes.ts";
import { abortUpload, LOST_CODES, S3Upload } from "./upload.ts";
import type { Part } from "./upload.ts";

const MIB = 2 ** 20;
const WHOLE_BYTES_MAX = 4 * MIB;
/** Small requests that wait for their answers at the same time. */
const REQUESTS_AT_ONCE = 16;
const DELETIONS_PER_REQUEST = 1000; // The most that S3 takes.
/** Bigger ones are copied in parts: S3 copies 5 GiB in one request, but answers only when it is done. */
const COPY_WHOLE_MAX = 512 * MIB;
/** Of the top directory, which a bucket does not have. */
const NO_PLACE: ObjectPlace = { version: undefined, etag: "" };

export class S3Store implements ObjectStore {
  readonly address: string;
  readonly features: ObjectStoreFeatures;
  readonly wholeBytesMax = WHOLE_BYTES_MAX;
  readonly fileBytesMax = FILE_BYTES_MAX;
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
    this.address = bucket.address;
    this.features = { keepsVersions: bucket.keepsVersions, isTree: false };
  }

  async put(objects: readonly NewObject[]): Promise<ObjectPlace[]> {
    for (const { key } of objects) this.#bucket.nameOf(key);
    return atOnce(objects, (object) => this.#putOne(object));
  }

  async #putOne({ key, metadata, bytes }: NewObject): Promise<ObjectPlace> {
    if (key === TOP_KEY) return NO_PLACE;
    const bucket = this.#bucket;
    const isDirectory = metadata.kind === "directory";
    const name = bucket.nameOf(key, isDirectory);
    await bucket.putPathObject(key, isDirectory, name);
    // The content of a symlink is its target, as it is on a disk: it has that size, and no limit of headers cuts it.
    const Body = metadata.kind === "symlink" ? Buffer.from(metadata.linkTarget ?? "", "latin1") : bytes;
    const command = new bucket.sdk.PutObjectCommand({ ...bucket.at(name.name), ...bucket.describe(key, metadata), Body, ContentLength: Body.length });
    return bucket.placeOf(await bucket.ask("storing", name.name, () => bucket.client.send(command)));
  }

  async begin(upload: NewUpload): Promise<Upload> {
    const begun = this.#upload(upload);
    // Named at once where it will take parts, so that it can be resumed.
    if (upload.sizeBytes > partSizesFor(upload.sizeBytes).partBytes) await begun.start();
    return begun;
  }

  #upload(upload: NewUpload, resumed?: { uploadId: string; parts: readonly Part[]; writtenBytes: number }): S3Upload {
    return new S3Upload(this.#bucket, upload, (metadata) => this.setMetadata(upload.key, metadata), resumed);
  }

  async resume(token: string, upload: NewUpload, bytesMax = Infinity): Promise<Upload | undefined> {
    if (token === "") return undefined;
    const { name } = this.#bucket.nameOf(upload.key);
    const parts: Part[] = [];
    let writtenBytes = 0;
    try {
      for await (const part of this.#partsOf(name, token)) {
        if (part.number !== parts.length + 1 || writtenBytes + part.sizeBytes > bytesMax) break; // Parts are sent two at a time: one may be missing before the last.
        parts.push(part);
        writtenBytes += part.sizeBytes;
      }
    } catch (error) {
      if (LOST_CODES.includes(codeOf(error))) return undefined;
      throw failureOf(error, `looking at an upload of ${this.address}/${name}`);
    }
    return this.#upload(upload, { uploadId: token, parts, writtenBytes });
  }

  async *#partsOf(name: string, uploadId: string): AsyncGenerator<Part & { sizeBytes: number }> {
    const { sdk, client } = this.#bucket;
    let marker: string | undefined;
    do {
      const command = new sdk.ListPartsCommand({ ...this.#bucket.at(name), UploadId: uploadId, ...(marker === undefined ? {} : { PartNumberMarker: marker }) });
      const page = await client.send(command);
      for (const { PartNumber = 0, ETag = "", Size = 0 } of page.Parts ?? []) yield { number: PartNumber, etag: ETag.replace(/^"|"$/g, ""), sizeBytes: Size };
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
  }

  async abortUnfinished(spared: ReadonlySet<string>): Promise<number> {
    const { sdk, client, name: Bucket, prefix } = this.#bucket;
    let count = 0;
    let after: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (after !== undefined) {
      const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: prefix, EncodingType: "url", ...after });
      const page: ListMultipartUploadsCommandOutput = await this.#bucket.ask("listing the uploads of", "", () => client.send(command));
      for (const { Key, UploadId } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || spared.has(UploadId)) continue;
        await abortUpload(this.#bucket, decodedKey(Key), UploadId);
        count++;
      }
      const { NextKeyMarker = "", NextUploadIdMarker = "" } = page;
      after = page.IsTruncated === true ? { KeyMarker: decodedKey(NextKeyMarker), UploadIdMarker: NextUploadIdMarker } : undefined;
    }
    return count;
  }

  async head({ key, kind }: ObjectName): Promise<StoredObject | undefined> {
    const bucket = this.#bucket;
    const { name } = bucket.nameOf(key, kind === "directory");
    if (key === TOP_KEY) return undefined;
    try {
      const answer = await bucket.client.send(new bucket.sdk.HeadObjectCommand(bucket.at(name)));
      const metadata = await this.#wholeMetadata(name, decodeMetadata(answer.Metadata));
      const sizeBytes = kind === "directory" ? 0 : (answer.ContentLength ?? 0);
      return { key, kind: metadata?.kind ?? (kind === "directory" ? kind : "file"), sizeBytes, place: bucket.placeOf(answer), metadata };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw failureOf(error, `looking at ${this.address}/${name}`);
    }
  }

  /** A symlink whose target was too long for a header has it in its content. */
  async #wholeMetadata(name: string, metadata: ObjectMetadata | undefined): Promise<ObjectMetadata | undefined> {
    if (metadata?.kind !== "symlink" || metadata.linkTarget !== undefined) return metadata;
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#bucket.content(name, undefined, 0, Infinity)) pieces.push(piece);
    return { ...metadata, linkTarget: byteStringOf(Buffer.concat(pieces)) };
  }

  async *read(key: ByteString, { range, place }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { name } = this.#bucket.nameOf(key);
    yield* this.#bucket.content(name, place, range?.offsetBytes ?? 0, range?.lengthBytes ?? Infinity);
  }

  list({ below = TOP_KEY }: ListOptions = {}): AsyncIterable<StoredObject[]> {
    return listObjects(this.#bucket, below);
  }

  async copy(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    return this.#copy(from, place, to, metadata, await this.#sizeOf(from, place));
  }

  /** Only of that content. Ceph does not look at the condition of a copy, so it is asked for here as well. */
  async #sizeOf(key: ByteString, place: ObjectPlace): Promise<number> {
    const { name } = this.#bucket.nameOf(key);
    const only = place.version === undefined ? { IfMatch: `"${place.etag}"` } : { VersionId: place.version };
    const command = new this.#bucket.sdk.HeadObjectCommand({ ...this.#bucket.at(name), ...only });
    return (await this.#bucket.ask("looking at", name, () => this.#bucket.client.send(command))).ContentLength ?? 0;
  }

  async #copy(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata, sizeBytes: number): Promise<ObjectPlace> {
    if (sizeBytes > COPY_WHOLE_MAX) return this.#copyInParts(from, place, to, metadata, sizeBytes);
    const bucket = this.#bucket;
    const target = bucket.nameOf(to);
    await bucket.putPathObject(to, false, target);
    const source = bucket.copySource(bucket.nameOf(from).name, place);
    const command = new bucket.sdk.CopyObjectCommand({ ...bucket.at(target.name), ...source, ...bucket.describe(to, metadata), MetadataDirective: "REPLACE" });
    const answer = await bucket.ask("copying to", target.name, () => bucket.client.send(command));
    return bucket.placeAfter(target.name, { ETag: answer.CopyObjectResult?.ETag, VersionId: answer.VersionId });
  }

  async #copyInParts(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata, sizeBytes: number): Promise<ObjectPlace> {
    const upload = this.#upload({ key: to, metadata, sizeBytes });
    try {
      await upload.copyFrom(from, place, { offsetBytes: 0, lengthBytes: sizeBytes });
      return await upload.complete(metadata);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  /** S3 knows no change of metadata: a file is copied onto itself, the others are put again. */
  async setMetadata(key: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    if (key === TOP_KEY) return NO_PLACE;
    const found = await this.head({ key, kind: metadata.kind });
    if (found?.kind !== metadata.kind) {
      const { name } = this.#bucket.nameOf(key);
      throw new RainbowError("OBJECT_CHANGED", `${this.address}/${name} is not there, or no ${metadata.kind}`, { name });
    }
    if (metadata.kind !== "file") return this.#putOne({ key, metadata, bytes: Buffer.alloc(0) });
    return this.#copy(key, found.place, key, metadata, found.sizeBytes);
  }

  async delete(names: readonly ObjectName[]): Promise<FailedDeletion[]> {
    const stored = names.map((each) => ({ each, name: this.#bucket.nameOf(each.key, each.kind === "directory") }));
    const groups = Array.from({ length: Math.ceil(stored.length / DELETIONS_PER_REQUEST) }, (_, i) =>
      stored.slice(i * DELETIONS_PER_REQUEST, (i + 1) * DELETIONS_PER_REQUEST),
    );
    const failed: FailedDeletion[] = [];
    for (const group of groups) {
      const refused = await this.#deleteNames(group.map(({ name }) => name.name));
      failed.push(...group.flatMap(({ each, name }) => (refused.has(name.name) ? [{ ...each, error: refused.get(name.name) }] : [])));
      const pathNames = group.flatMap(({ name }) => (name.pathName === undefined || refused.has(name.name) ? [] : [name.pathName]));
      if (pathNames.length > 0) await this.#deleteNames(pathNames);
    }
    return failed;
  }

  /** Why some could not be deleted, by name. */
  async #deleteNames(names: readonly string[]): Promise<Map<string, unknown>> {
    const { sdk, client, name: Bucket, prefix } = this.#bucket;
    const Objects = names.filter((name) => name !== TOP_KEY && name !== `${TOP_KEY}/`).map((name) => ({ Key: prefix + name }));
    if (Objects.length === 0) return new Map();
    const command = new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
    const answer = await this.#bucket.ask("deleting from", "", () => client.send(command));
    return new Map(
      (answer.Errors ?? []).map(({ Key = "", Code = "", Message = "" }) => {
        const name = Key.slice(prefix.length);
        return [
          name,
          failureOf(Object.assign(new Error(Message), { Code, $metadata: { httpStatusCode: statusOfCode(Code) } }), `deleting ${this.address}/${name}`),
        ];
      }),
    );
  }

  /** What S3 has answered is durable. */
  async settle(): Promise<void> {}

  async close(): Promise<void> {
    this.#bucket.client.destroy();
  }
}

/** In order, several at a time; the first failure ends it when those that run have ended. */
async function atOnce<T, R>(items: readonly T[], action: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await action(items[index]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(REQUESTS_AT_ONCE, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
