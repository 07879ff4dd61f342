/** What lies in the bucket: plain names in their order, then the names that had to be changed. */
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

export async function* listObjects(bucket: Bucket, below: ByteString): AsyncGenerator<StoredObject[]> {
  const top = below === TOP_KEY ? "" : `${below}/`;
  const isWanted = (path: ByteString): boolean => path.startsWith(top) && path.length > top.length;
  // A directory whose own name is plain has its plain content below that name.
  const plainTop = below === TOP_KEY ? "" : bucket.nameOf(below, true).name;
  const isPlain = !plainTop.startsWith(`${RESERVED_DIRECTORY}/`);
  for (const names of [isPlain ? plainTop : undefined, ESCAPED_PREFIX]) {
    if (names === undefined) continue;
    for await (const page of pages(bucket, names)) {
      const isOfThese = (name: string): boolean => names === ESCAPED_PREFIX || !name.startsWith(`${RESERVED_DIRECTORY}/`);
      const objects = page.flatMap(({ name, listed }) => {
        const path = isOfThese(name) ? pathOfName(name) : undefined;
        return path !== undefined && isWanted(path) ? [storedObject(bucket, path, listed)] : [];
      });
      if (objects.length > 0) yield objects;
    }
  }
  yield* longNames(bucket, isWanted);
}

/** Few, if any: each path is asked for by itself. */
async function* longNames(bucket: Bucket, isWanted: (path: ByteString) => boolean): AsyncGenerator<StoredObject[]> {
  for await (const page of pages(bucket, LONG_PREFIX)) {
    const objects: StoredObject[] = [];
    for (const { name, listed } of page) {
      if (name.endsWith(LONG_PATH_SUFFIX)) continue;
      const path = await longPath(bucket, name + LONG_PATH_SUFFIX);
      if (isWanted(path)) objects.push(storedObject(bucket, path, listed));
    }
    if (objects.length > 0) yield objects;
  }
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
