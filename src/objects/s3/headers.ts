/** Mode, time, target and digest as user metadata of an object, written as other programs read them; see FORMAT.md. */
import type { ByteString } from "../../core/index.ts";
import type { ObjectDigest, ObjectKind, ObjectMetadata } from "../object-store.ts";

/** S3 takes 2 KiB of user metadata; a longer target is in the object's content alone. */
const TARGET_CHARACTERS_MAX = 1024;
const TYPE_BITS: Readonly<Record<ObjectKind, number>> = { file: 0o100000, directory: 0o040000, symlink: 0o120000 };
const TYPE_MASK = 0o170000;
const MODE_MASK = 0o7777;
const NANOS = 1_000_000_000;

export function encodeMetadata(metadata: ObjectMetadata): Record<string, string> {
  const target = metadata.linkTarget === undefined ? undefined : encodeTarget(metadata.linkTarget);
  return {
    mode: (TYPE_BITS[metadata.kind] | metadata.mode).toString(8).padStart(6, "0"),
    mtime: encodeTime(metadata.mtimeSeconds, metadata.mtimeNanos),
    ...(target !== undefined && target.length <= TARGET_CHARACTERS_MAX ? { target } : {}),
    ...(metadata.digest === undefined ? {} : { digest: `${metadata.digest.name}:${Buffer.from(metadata.digest.bytes).toString("hex")}` }),
  };
}

/** Undefined where the object is not a mirror's. Of a symlink with a long target, `linkTarget` is undefined: it is the content. */
export function decodeMetadata(headers: Readonly<Record<string, string>> | undefined): ObjectMetadata | undefined {
  const mode = /^[0-7]{5,7}$/.test(headers?.["mode"] ?? "") ? parseInt(headers!["mode"]!, 8) : 0;
  const kind = (Object.keys(TYPE_BITS) as ObjectKind[]).find((each) => TYPE_BITS[each] === (mode & TYPE_MASK));
  const time = decodeTime(headers?.["mtime"] ?? "");
  if (kind === undefined || time === undefined) return undefined;
  const target = headers?.["target"];
  const linkTarget = kind === "symlink" && target !== undefined ? decodeTarget(target) : undefined;
  return { kind, mode: mode & MODE_MASK, ...time, linkTarget, digest: decodeDigest(headers?.["digest"]) };
}

/** Seconds since 1970 with nine decimals; before 1970 the whole number is negative: -0.5 is half a second before. */
function encodeTime(seconds: number, nanos: number): string {
  const isBefore = seconds < 0;
  const whole = isBefore && nanos > 0 ? -(seconds + 1) : Math.abs(seconds);
  const part = isBefore && nanos > 0 ? NANOS - nanos : nanos;
  return `${isBefore ? "-" : ""}${whole}.${String(part).padStart(9, "0")}`;
}

function decodeTime(text: string): { mtimeSeconds: number; mtimeNanos: number } | undefined {
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const whole = Number(match[2]);
  const part = Number((match[3] ?? "").padEnd(9, "0"));
  if (match[1] === "") return { mtimeSeconds: whole, mtimeNanos: part };
  return part === 0 ? { mtimeSeconds: 0 - whole, mtimeNanos: 0 } : { mtimeSeconds: -whole - 1, mtimeNanos: NANOS - part };
}

function encodeTarget(target: ByteString): string {
  return target.replace(/[^\x21-\x24\x26-\x7e]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

function decodeTarget(text: string): ByteString {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) as ByteString;
}

function decodeDigest(text: string | undefined): ObjectDigest | undefined {
  const match = /^([a-z0-9]{2,16}):((?:[0-9a-f]{2}){4,64})$/.exec(text ?? "");
  return match === null ? undefined : { name: match[1]!, bytes: Buffer.from(match[2]!, "hex") };
}
