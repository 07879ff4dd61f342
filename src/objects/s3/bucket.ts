/** One bucket behind one client: the requests that the store is made of, each with its failures told in the port's words. */
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { checkKey } from "../keys.ts";
import type { ObjectMetadata, ObjectPlace } from "../object-store.ts";
import { contentTypeOf } from "./content-type.ts";
import { codeOf, failureOf, statusOf } from "./failures.ts";
import { encodeMetadata } from "./headers.ts";
import { storedName } from "./names.ts";
import type { StoredName } from "./names.ts";

export type Sdk = typeof import("@aws-sdk/client-s3");

/** Times that a broken stream of content is asked for again, from where it broke. */
const READ_ATTEMPTS = 5;

export interface BucketOptions {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly name: string;
  /** "" or with a slash at its end. */
  readonly prefix: string;
  readonly keepsVersions: boolean;
}

export class Bucket {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly name: string;
  readonly prefix: string;
  readonly keepsVersions: boolean;

  constructor(options: BucketOptions) {
    this.sdk = options.sdk;
    this.client = options.client;
    this.name = options.name;
    this.prefix = options.prefix;
    this.keepsVersions = options.keepsVersions;
  }

  get address(): string {
    return `s3://${this.name}${this.prefix === "" ? "" : `/${this.prefix.slice(0, -1)}`}`;
  }

  /** Where `key` is in the bucket. */
  nameOf(key: ByteString, isDirectory = false): StoredName {
    checkKey(key);
    return storedName(key, isDirectory, Buffer.byteLength(this.prefix));
  }

  at(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.name, Key: this.prefix + name };
  }

  /** Runs a request; `doing` and `name` say in a failure what it was about. */
  async ask<T>(doing: string, name: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw failureOf(error, `${doing} s3://${this.name}/${this.prefix}${name}`);
    }
  }

  placeOf(answer: { ETag?: string | undefined; VersionId?: string | undefined }): ObjectPlace {
    const version = this.keepsVersions ? answer.VersionId : undefined;
    return { version, etag: (answer.ETag ?? "").replace(/^"|"$/g, "") };
  }

  /** Of what was just stored; Ceph does not name the version (nor always the tag) of copies and joined parts, and is asked. */
  async placeAfter(name: string, answer: { ETag?: string | undefined; VersionId?: string | undefined }): Promise<ObjectPlace> {
    const place = this.placeOf(answer);
    const isWhole = place.etag !== "" && (place.version !== undefined || !this.keepsVersions);
    return isWhole ? place : this.placeNow(name);
  }

  async placeNow(name: string): Promise<ObjectPlace> {
    return this.placeOf(await this.ask("looking at", name, () => this.client.send(new this.sdk.HeadObjectCommand(this.at(name)))));
  }

  /** What a new object under `key` is described by. */
  describe(key: ByteString, metadata: ObjectMetadata): { ContentType: string; Metadata: Record<string, string> } {
    return { ContentType: contentTypeOf(key, metadata.kind), Metadata: encodeMetadata(metadata) };
  }

  /** The object beside one whose name does not tell its path; to be there before that one is. */
  async putPathObject(key: ByteString, isDirectory: boolean, { pathName }: StoredName): Promise<void> {
    if (pathName === undefined) return;
    const Body = Buffer.from(isDirectory ? `${key}/` : key, "latin1");
    await this.ask("storing", pathName, () => this.client.send(new this.sdk.PutObjectCommand({ ...this.at(pathName), Body })));
  }

  /** The header of a copy's source: only that content, by version or by tag. */
  copySource(name: string, place: ObjectPlace): { CopySource: string; CopySourceIfMatch?: string } {
    const source = `${this.name}/${(this.prefix + name).split("/").map(encodeURIComponent).join("/")}`;
    if (place.version !== undefined) return { CopySource: `${source}?versionId=${encodeURIComponent(place.version)}` };
    return { CopySource: source, CopySourceIfMatch: `"${place.etag}"` };
  }

  /** Content from `offsetBytes` on, at most `lengthBytes`; a stream that breaks is taken up where it broke. */
  async *content(name: string, place: ObjectPlace | undefined, offsetBytes: number, lengthBytes: number): AsyncGenerator<Uint8Array> {
    let at = offsetBytes;
    let sought = place;
    const end = offsetBytes + lengthBytes;
    for (let attempt = 1; at < end; attempt++) {
      const answer = await this.#getRange(name, sought, at, end);
      if (answer === undefined) return; // It ends before `at`.
      sought ??= this.placeOf(answer);
      try {
        for await (const piece of answer.Body as Readable) {
          at += (piece as Buffer).length;
          attempt = 1;
          yield piece as Buffer;
        }
        return;
      } catch (error) {
        if (attempt >= READ_ATTEMPTS) throw failureOf(error, `reading s3://${this.name}/${this.prefix}${name}`);
      }
    }
  }

  async #getRange(name: string, place: ObjectPlace | undefined, at: number, end: number): Promise<GetObjectCommandOutput | undefined> {
    const isWhole = at === 0 && end === Infinity;
    const command = new this.sdk.GetObjectCommand({
      ...this.at(name),
      ...(isWhole ? {} : { Range: `bytes=${at}-${end === Infinity ? "" : end - 1}` }),
      ...(place?.version === undefined ? {} : { VersionId: place.version }),
      ...(place === undefined || place.version !== undefined ? {} : { IfMatch: `"${place.etag}"` }),
    });
    try {
      return await this.client.send(command);
    } catch (error) {
      if (statusOf(error) === 416 || codeOf(error) === "InvalidRange") return undefined;
      throw failureOf(error, `reading s3://${this.name}/${this.prefix}${name}`);
    }
  }

  /** Exactly `lengthBytes`, or OBJECT_CHANGED. */
  async *exactly(key: ByteString, place: ObjectPlace, offsetBytes: number, lengthBytes: number): AsyncGenerator<Uint8Array> {
    let missing = lengthBytes;
    for await (const piece of this.content(this.nameOf(key).name, place, offsetBytes, lengthBytes)) {
      missing -= piece.length;
      yield piece;
    }
    if (missing !== 0) throw this.tooShort(key);
  }

  tooShort(key: ByteString): RainbowError {
    return new RainbowError("OBJECT_CHANGED", `${this.address}/${displayOf(key)} is shorter than the range that was to be copied`, { key: displayOf(key) });
  }
}
