/** Where a mirrored file's content lies and what it is, and their bytes: the same in events and in trees (FORMAT.md of both). */
import { assert } from "./assert.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { ByteString } from "./units.ts";

/** A digest of a file's content. */
export interface ContentDigest {
  /** As rsync names it: "xxh128", "md5" … */
  readonly name: string;
  readonly bytes: Buffer;
}

/** Where an object store keeps the content of a mirrored file. Texts are of characters up to U+00FF, as HTTP headers have them. */
export interface StoredObject {
  /** "": the key that the file's path has by rule. */
  readonly key: ByteString;
  /** "" where the store keeps no versions: the object is what it is now. */
  readonly version: string;
  /** What the store calls this content; "" where it calls it nothing. Another one means that it was replaced. */
  readonly etag: string;
}

const DIGEST_NAME_BYTES_MAX = 16; // "xxh128", "sha512".
const DIGEST_BYTES_MAX = 64; // Of SHA-512.
const OBJECT_TEXT_BYTES_MAX = 1024; // S3's limit of keys and versions; etags are shorter.

/** An empty name stands for no digest. */
export function writeDigest(writer: ByteWriter, digest: ContentDigest | undefined): void {
  if (digest === undefined) return writer.varint(0);
  const { name, bytes } = digest;
  assert(name.length > 0 && name.length <= DIGEST_NAME_BYTES_MAX && bytes.length <= DIGEST_BYTES_MAX, "a digest is within its limits");
  writer.byteString(name as ByteString);
  writer.sized(bytes);
}

/** Its bytes are no view of the reader's: digests are kept longer than pages. */
export function readDigest(reader: ByteReader): ContentDigest | undefined {
  const name = reader.byteString(DIGEST_NAME_BYTES_MAX);
  return name === "" ? undefined : { name, bytes: Buffer.from(reader.sized(DIGEST_BYTES_MAX)) };
}

export function writeObject(writer: ByteWriter, object: StoredObject | undefined): void {
  writer.u8(object === undefined ? 0 : 1);
  if (object === undefined) return;
  for (const text of [object.key, object.version, object.etag]) {
    assert(text.length <= OBJECT_TEXT_BYTES_MAX, "what names an object is within its limit");
    writer.byteString(text as ByteString);
  }
}

export function readObject(reader: ByteReader): StoredObject | undefined {
  const flag = reader.u8();
  if (flag > 1) reader.reject("a flag that is neither 0 nor 1");
  if (flag === 0) return undefined;
  const key = reader.byteString(OBJECT_TEXT_BYTES_MAX);
  return { key, version: reader.byteString(OBJECT_TEXT_BYTES_MAX), etag: reader.byteString(OBJECT_TEXT_BYTES_MAX) };
}
