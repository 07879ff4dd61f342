/** What lies in the bucket, in the order of paths: plain names as the server lists them, and among them the names that had to be changed. */
import type { ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { byteStringOf } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { RESERVED_DIRECTORY } from "../keys.ts";
import { TOP_KEY } from "../object-store.ts";
import type { StoredObject } from "../object-store.ts";
import type { Bucket } from "./bucket.ts";
import { ESCAPED_PREFIX, LONG_PATH_SUFFIX, LONG_PREFIX, pathOfName } from "./names.ts";

const PAGE_KEYS = 1000; // The most that S3 answers at once.

type Listed = NonNullable<ListObjectsV2CommandOutput["Contents"]>[number];

interface Found {
  /** With the slash of a directory: the order of the list. */
  readonly path: ByteString;
  readonly object: StoredObject;
}

export async function* listObjects(bucket: Bucket, below: ByteString): AsyncGenerator<StoredObject[]> {
  const top = below === TOP_KEY ? "" : `${below}/`;
  const isWanted = (path: ByteString): boolean => path.startsWith(top) && path.length > top.length;
  const renamed = await renamedObjects(bucket, isWanted);
  let next = 0;
  const renamedBefore = (path: string): StoredObject[] => {
    const from = next;
    while (next < renamed.length && renamed[next]!.path < path) next++;
    return renamed.slice(from, next).map(({ object }) => object);
  };
  for await (const page of plainPages(bucket, below)) {
    const objects = page.flatMap(({ path, object }) => [...renamedBefore(path), ...(isWanted(path) ? [object] : [])]);
    if (objects.length > 0) yield objects;
  }
  const rest = renamed.slice(next).map(({ object }) => object);
  for (let at = 0; at < rest.length; at += PAGE_KEYS) yield rest.slice(at, at + PAGE_KEYS);
}

/** In byte order, as the server has them. A directory whose own name is no key has nothing plain below it. */
async function* plainPages(bucket: Bucket, below: ByteString): AsyncGenerator<Found[]> {
  const top = below === TOP_KEY ? "" : bucket.nameOf(below, true).name;
  if (top.startsWith(`${RESERVED_DIRECTORY}/`)) return;
  for await (const page of pages(bucket, top)) {
    yield page.flatMap(({ name, listed }) => (name.startsWith(`${RESERVED_DIRECTORY}/`) ? [] : foundAt(bucket, pathOfName(name), listed)));
  }
}

/** Those whose paths are no keys, sorted. They are held all at once: their keys tell nothing of the order of their paths, and they are few. */
async function renamedObjects(bucket: Bucket, isWanted: (path: ByteString) => boolean): Promise<Found[]> {
  const found: Found[] = [];
  for await (const page of pages(bucket, ESCAPED_PREFIX)) for (const { name, listed } of page) found.push(...foundAt(bucket, pathOfName(name), listed));
  for await (const page of pages(bucket, LONG_PREFIX)) {
    const objects = page.filter(({ name }) => !name.endsWith(LONG_PATH_SUFFIX));
    for (const { name, listed } of objects) found.push(...foundAt(bucket, await longPath(bucket, name + LONG_PATH_SUFFIX), listed));
  }
  return found.filter(({ path }) => isWanted(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function foundAt(bucket: Bucket, path: ByteString | undefined, listed: Listed): Found[] {
  return path === undefined ? [] : [{ path, object: storedObject(bucket, path, listed) }];
}

async function longPath(bucket: Bucket, pathName: string): Promise<ByteString> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bucket.content(pathName, undefined, 0, Infinity)) pieces.push(piece);
  return byteStringOf(Buffer.concat(pieces));
}

async function* pages(bucket: Bucket, below: string): AsyncGenerator<{ name: string; listed: Listed }[]> {
  const { sdk, client, name: Bucket, prefix } = bucket;
  let token: string | undefined;
  do {
    const where = { Bucket, Prefix: prefix + below, MaxKeys: PAGE_KEYS, EncodingType: "url" as const };
    const command = new sdk.ListObjectsV2Command({ ...where, ...(token === undefined ? {} : { ContinuationToken: token }) });
    const page = await bucket.ask("listing", below, () => client.send(command));
    yield (page.Contents ?? []).map((listed) => ({ name: decodedKey(listed.Key ?? "").slice(prefix.length), listed }));
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/** Of an answer with encoding type "url": a form's encoding, in which a space may be a plus. */
export function decodedKey(text: string): string {
  return decodeURIComponent(text.replaceAll("+", "%20"));
}

function storedObject(bucket: Bucket, path: ByteString, listed: Listed): StoredObject {
  const isDirectory = path.endsWith("/");
  return {
    key: isDirectory ? (path.slice(0, -1) as ByteString) : path,
    kind: isDirectory ? "directory" : "file",
    sizeBytes: isDirectory ? 0 : (listed.Size ?? 0),
    place: bucket.placeOf({ ETag: listed.ETag }),
    metadata: undefined,
  };
}
