/**
 * Which key of the bucket an object has. A key of S3 is UTF-8 and has at most 1,024 bytes; listings and deletions are XML, which cannot
 * hold control characters. So a path that is neither has another key, below `.rainbow/`, and FORMAT.md says which.
 */
import { createHash } from "node:crypto";
import { bytesOf, byteStringOfText } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { RESERVED_DIRECTORY } from "../keys.ts";

const KEY_BYTES_MAX = 1024;
/** Paths that are not plain text, with a percent sign and two digits for each byte that is not printable ASCII. */
export const ESCAPED_PREFIX = `${RESERVED_DIRECTORY}/names/`;
/** Paths that are too long: the SHA-256 of the path; an object beside it holds the path itself. */
export const LONG_PREFIX = `${RESERVED_DIRECTORY}/long/`;
export const LONG_PATH_SUFFIX = ".path";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What XML 1.0 has no character for, or what its readers change. */
const NOT_PLAIN = /[\x00-\x1f\x7f\ufffe\uffff]/;

export interface StoredName {
  /** The key in the bucket, without the store's prefix. */
  readonly name: string;
  /** The key of the object that holds the path, where the name does not tell it. */
  readonly pathName: string | undefined;
}

/** `prefixBytes`: how much of a key the store's own prefix takes. */
export function storedName(key: ByteString, isDirectory: boolean, prefixBytes: number): StoredName {
  const path = isDirectory ? (`${key}/` as ByteString) : key;
  const text = plainText(path);
  const name = text ?? ESCAPED_PREFIX + escaped(path);
  if (prefixBytes + Buffer.byteLength(name) <= KEY_BYTES_MAX) return { name, pathName: undefined };
  const long = LONG_PREFIX + createHash("sha256").update(bytesOf(path)).digest("hex");
  return { name: long, pathName: long + LONG_PATH_SUFFIX };
}

function plainText(path: ByteString): string | undefined {
  if (/^[\x20-\x7e]*$/.test(path)) return path;
  try {
    const text = utf8.decode(bytesOf(path));
    return NOT_PLAIN.test(text) ? undefined : text;
  } catch {
    return undefined; // Not UTF-8.
  }
}

function escaped(path: ByteString): string {
  return path.replace(/[^\x20-\x24\x26-\x7e]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** The path of a plain or an escaped name, with the slash of a directory; undefined for what only its path object tells, and for what is not of a mirror. */
export function pathOfName(name: string): ByteString | undefined {
  if (name.startsWith(ESCAPED_PREFIX)) {
    return name.slice(ESCAPED_PREFIX.length).replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) as ByteString;
  }
  return name.startsWith(`${RESERVED_DIRECTORY}/`) ? undefined : byteStringOfText(name);
}
