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

/** Which content an object store held under a path: enough to read it again later, or to tell that it is another one now. Texts are as HTTP headers have them, up to U+00FF. */
export interface ObjectPlace {
  /** Where the store keeps versions: this one's name. */
  readonly version: string | undefined;
  /** Changes whenever the content does. A directory store has the inode with its birth time, S3 its ETag. */
  readonly etag: string;
}

const DIGEST_NAME_BYTES_MAX = 16; // "xxh128", "sha512".
const DIGEST_BYTES_MAX = 64; // Of SHA-512.
const PLACE_TEXT_BYTES_MAX = 1024; // S3's limit of versions; etags are shorter.
const NO_PLACE = 0;
const WITHOUT_VERSION = 1;
const WITH_VERSION = 2;

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
  return name === "" ? undefined : { name, bytes: reader.sizedCopy(DIGEST_BYTES_MAX) };
}

export function writeObjectPlace(writer: ByteWriter, place: ObjectPlace | undefined): void {
  writer.u8(place === undefined ? NO_PLACE : place.version === undefined ? WITHOUT_VERSION : WITH_VERSION);
  if (place === undefined) return;
  for (const text of place.version === undefined ? [place.etag] : [place.etag, place.version]) {
    assert(text.length <= PLACE_TEXT_BYTES_MAX, "what names an object is within its limit");
    writer.byteString(text as ByteString);
  }
}

export function readObjectPlace(reader: ByteReader): ObjectPlace | undefined {
  const flag = reader.u8();
  if (flag > WITH_VERSION) reader.reject("a place of an unknown kind");
  if (flag === NO_PLACE) return undefined;
  const etag = reader.byteString(PLACE_TEXT_BYTES_MAX);
  return { etag, version: flag === WITH_VERSION ? reader.byteString(PLACE_TEXT_BYTES_MAX) : undefined };
}
