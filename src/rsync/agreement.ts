/** What both sides agree on before the first frame: options as arguments, capabilities, checksum, compression, seed. PROTOCOL.md "Setup". */
import type { ByteString } from "../core/index.ts";
import type { Cursor } from "./cursor.ts";
import type { DigestName } from "./digests/index.ts";
import { broken } from "./failure.ts";
import { NAMES_BYTES_MAX } from "./limits.ts";

/** Bits of the server's compat flags. */
export const COMPAT = {
  incremental: 1,
  symlinkTimes: 2,
  symlinkIconv: 4,
  safeFileList: 8,
  avoidXattrOptimization: 16,
  seedOrderFixed: 32,
  inplacePartial: 64,
  varintFlags: 128,
  idZeroNames: 256,
} as const;
const COMPAT_ALL = 511;

/** What we can receive, in the order that both sides use: each side takes its own first name that the other has. */
export const FILE_DIGESTS = ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1"] as const;
export const COMPRESSORS = ["zstd", "lz4", "zlibx", "zlib"] as const;
export type Compressor = (typeof COMPRESSORS)[number];

/** What to ask the server for. What is left out is not asked for. */
export interface Wanted {
  readonly module: string;
  /** Within the module; "" is all of it, with the content of the root as the list's root. Wildcards are escaped. */
  readonly paths: readonly ByteString[];
  readonly isRecursive: boolean;
  /** One directory's list at a time where the server can (from 3.0 on): memory then does not grow with the tree. */
  readonly isIncremental: boolean;
  readonly links: boolean;
  readonly hardLinks: boolean;
  readonly owners: boolean;
  readonly groups: boolean;
  readonly devices: boolean;
  /** The server reads every file first, and lists its digest. */
  readonly listDigests: boolean;
  /** Ids without names. */
  readonly numericIds: boolean;
  /** With leading directories, as they are named. */
  readonly isRelative: boolean;
  /** One of these is agreed on; none: no compression, as most of what is mirrored is compressed already. */
  readonly compressors: readonly Compressor[];
  readonly digests: readonly (typeof FILE_DIGESTS)[number][];
  /** Not 0: block sums that can be kept. A server may refuse it. */
  readonly checksumSeed: number | undefined;
  /** Options for the server that nothing here knows, as "--bwlimit=1000". */
  readonly extraOptions: readonly string[];
}

export const WANTED: Omit<Wanted, "module"> = {
  paths: ["" as ByteString],
  isRecursive: true,
  isIncremental: true,
  links: true,
  hardLinks: false,
  owners: false,
  groups: false,
  devices: false,
  listDigests: false,
  numericIds: true,
  isRelative: false,
  compressors: [],
  digests: FILE_DIGESTS,
  checksumSeed: undefined,
  extraOptions: [],
};

export interface Agreement {
  readonly protocol: number;
  readonly compat: number;
  readonly isIncremental: boolean;
  readonly digest: DigestName;
  readonly compressor: Compressor | undefined;
  readonly seed: number;
}

/** The options as one cluster of letters and long words, then the paths. */
export function argumentsFor(wanted: Wanted, protocol: number): string[] {
  const isIncremental = wanted.isIncremental && wanted.isRecursive;
  const letters: readonly (readonly [boolean, string])[] = [
    [wanted.links, "l"],
    [wanted.hardLinks, "H"],
    [wanted.owners, "o"],
    [wanted.groups, "g"],
    [wanted.devices, "D"],
    [true, "tp"],
    [wanted.isRecursive, "r"],
    [!wanted.isRecursive, "d"],
    [wanted.listDigests, "c"],
    [wanted.isRelative, "R"],
    [wanted.compressors.length > 0, "z"],
    [protocol >= 30, `e.${isIncremental ? "i" : ""}LsfxCIvu`],
  ];
  const cluster = `-${letters.map(([isOn, letter]) => (isOn ? letter : "")).join("")}`;
  const long = [
    ...(wanted.numericIds ? ["--numeric-ids"] : []),
    ...(wanted.checksumSeed === undefined ? [] : [`--checksum-seed=${wanted.checksumSeed}`]),
    ...wanted.extraOptions,
  ];
  const paths = wanted.paths.map((path) => `${wanted.module}/${escaped(path)}`);
  return ["--server", "--sender", cluster, ...long, ".", ...paths];
}

/** The server expands wildcards in paths. */
function escaped(path: ByteString): string {
  return path.replace(/[[\]*?\\]/g, "\\$&");
}

/** Refuses capabilities that we did not ask for. */
export function checkCompat(compat: number, wanted: Wanted): void {
  if (compat < 0 || (compat & ~COMPAT_ALL) !== 0) throw broken(`its capabilities are ${compat}`, { compat });
  if ((compat & COMPAT.incremental) !== 0 && !(wanted.isIncremental && wanted.isRecursive)) throw broken("it lists incrementally, which was not asked for");
}

/** A list of names: one or two bytes of length, then the names with spaces between. */
export function readNames(cursor: Cursor): string[] {
  const first = cursor.u8();
  const length = first < 0x80 ? first : (first & 0x7f) * 256 + cursor.u8();
  if (length > NAMES_BYTES_MAX) throw broken(`a list of names has ${length} bytes`, { length });
  return cursor
    .byteString(length)
    .split(" ")
    .filter((name) => name !== "");
}

export function encodeNames(names: readonly string[]): Buffer {
  const text = Buffer.from(names.join(" "), "latin1");
  const length = text.length < 0x80 ? [text.length] : [0x80 | (text.length >> 8), text.length & 0xff];
  return Buffer.concat([Buffer.from(length), text]);
}

/** Our first name that the server has; the server takes its own first that we have, so our names must stand in the common order. */
export function chosen<Name extends string>(ours: readonly Name[], theirs: readonly string[], what: string): Name {
  const name = ours.find((each) => theirs.includes(each));
  if (name === undefined)
    throw broken(`it has no ${what} in common with us: it has ${theirs.join(", ") || "none"}, we take ${ours.join(", ")}`, { theirs, ours });
  return name;
}
