/**
 * Reads the entries of a file list, in the layouts of protocols 27 to 32. PROTOCOL.md "File list". Much of an entry is told as
 * "the same as before"; what "before" was is kept here, over the borders of lists, and changes only once an entry was read whole.
 */
import type { ByteString } from "../core/index.ts";
import { COMPAT } from "./agreement.ts";
import type { Agreement, Wanted } from "./agreement.ts";
import type { Cursor } from "./cursor.ts";
import { DIGEST_BYTES } from "./digests/index.ts";
import { checkName, kindOf, TYPE_BITS } from "./entry.ts";
import type { Entry, HardLink } from "./entry.ts";
import { broken, overLimit } from "./failure.ts";
import { ID_LIST_COUNT_MAX, LINK_TARGET_BYTES_MAX, NANOS_MAX, PATH_BYTES_MAX } from "./limits.ts";
import type { Limits } from "./limits.ts";

/** Bits of an entry's flags. Some mean other things in other versions. */
export const FLAG = {
  topDirectory: 0x1,
  sameMode: 0x2,
  extended: 0x4,
  sameRdev27: 0x4,
  sameUid: 0x8,
  sameGid: 0x10,
  sharedPrefix: 0x20,
  longName: 0x40,
  sameTime: 0x80,
  sameRdevMajor: 0x100,
  noContentDirectory: 0x100,
  hardLinked: 0x200,
  userName: 0x400,
  sameDevice28: 0x400,
  groupName: 0x800,
  smallMinor28: 0x800,
  hardLinkFirst: 0x1000,
  endWithError: 0x1000,
  nanos: 0x2000,
} as const;
const FLAGS_ALL = 0x3fff;
const MODE_BITS = 0o7777;

export interface ListEnd {
  readonly end: true;
  readonly ioError: number;
}

/** What the entries of the open lists are to each other: a hard link may be told as a copy of an entry of its own list. */
export interface OpenList {
  /** The index of the list's first entry. */
  readonly startIndex: number;
  /** In the order of arrival. */
  readonly entries: readonly Entry[];
}

/** An entry without its name. */
interface Fields {
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly linkTarget: ByteString | undefined;
  readonly device: number;
  readonly inode: number | undefined;
  readonly digest: Buffer | undefined;
}
const NO_FIELDS: Fields = {
  mode: 0,
  sizeBytes: 0,
  mtimeSeconds: 0,
  mtimeNanos: 0,
  uid: 0,
  gid: 0,
  rdevMajor: 0,
  rdevMinor: 0,
  linkTarget: undefined,
  device: 0,
  inode: undefined,
  digest: undefined,
};

export class EntryReader {
  private readonly protocol: number;
  private readonly wanted: Wanted;
  private readonly limits: Limits;
  private readonly names: IdNames;
  private readonly hasVarintFlags: boolean;
  private readonly mayEndWithError: boolean;
  private readonly digestBytes: number;
  private before = NO_FIELDS;
  /** The name of the entry before. */
  private readonly name = Buffer.alloc(PATH_BYTES_MAX + 1);
  private nameBytes = 0;

  constructor(agreement: Agreement, wanted: Wanted, limits: Limits, names: IdNames) {
    this.protocol = agreement.protocol;
    this.wanted = wanted;
    this.limits = limits;
    this.names = names;
    this.hasVarintFlags = (agreement.compat & COMPAT.varintFlags) !== 0;
    this.mayEndWithError = agreement.protocol >= 31 || (agreement.compat & COMPAT.safeFileList) !== 0;
    this.digestBytes = DIGEST_BYTES[agreement.digest];
  }

  /** One entry, or the list's end. */
  read(cursor: Cursor, list: OpenList): Entry | ListEnd {
    const flags = this.flags(cursor);
    if (flags === 0) return { end: true, ioError: this.hasVarintFlags ? cursor.varint() : 0 };
    if (flags === (FLAG.extended | FLAG.endWithError) && !this.hasVarintFlags && this.mayEndWithError) return { end: true, ioError: cursor.varint() };
    if ((flags & ~FLAGS_ALL) !== 0 || ((flags & FLAG.nanos) !== 0 && this.protocol < 31))
      throw broken(`an entry has the flags 0x${(flags >>> 0).toString(16)}`, { flags });
    const prefixBytes = flags & FLAG.sharedPrefix ? cursor.u8() : 0;
    const suffix = cursor.bytes(this.suffixBytes(cursor, flags, prefixBytes));
    const link = this.laterLink(cursor, flags, list);
    const first = link !== undefined && link >= list.startIndex ? firstOfGroup(list, link) : undefined;
    const fields = first === undefined ? this.readFields(cursor, flags) : this.copied(first);
    // From here on everything was read, and what is remembered may change.
    suffix.copy(this.name, prefixBytes);
    this.nameBytes = prefixBytes + suffix.length;
    checkName(this.name, this.nameBytes, this.limits);
    this.before = fields;
    return this.entryOf(flags, fields, link, list);
  }

  private flags(cursor: Cursor): number {
    if (this.hasVarintFlags) return cursor.varint();
    const first = cursor.u8();
    if (this.protocol < 28 || (first & FLAG.extended) === 0) return first;
    return first | (cursor.u8() << 8);
  }

  private suffixBytes(cursor: Cursor, flags: number, prefixBytes: number): number {
    const suffixBytes = flags & FLAG.longName ? this.number(cursor) : cursor.u8();
    if (prefixBytes > this.nameBytes) throw broken("a name shares more bytes than the name before it has");
    if (suffixBytes < 0 || prefixBytes + suffixBytes > PATH_BYTES_MAX) throw broken(`an entry's name has ${prefixBytes + suffixBytes} bytes`);
    return suffixBytes;
  }

  /** 32 bits: packed from protocol 30 on. */
  private number(cursor: Cursor): number {
    return this.protocol >= 30 ? cursor.varint() : cursor.i32();
  }

  /** From protocol 30 on a later name of a hard-linked file tells the index of the first one. */
  private laterLink(cursor: Cursor, flags: number, list: OpenList): number | undefined {
    if (this.protocol < 30 || (flags & FLAG.hardLinked) === 0 || (flags & FLAG.hardLinkFirst) !== 0) return undefined;
    const index = cursor.varint();
    if (index < 0 || index >= list.startIndex + list.entries.length) throw broken("a hard link names an entry that was not listed yet", { index });
    return index;
  }

  private copied(first: Entry): Fields {
    const isDevice = first.kind === "block" || first.kind === "character";
    const { mtimeSeconds, mtimeNanos, uid, gid, sizeBytes, linkTarget, digest } = first;
    const { rdevMajor, rdevMinor } = isDevice ? first : this.before;
    return { mode: rawMode(first), mtimeSeconds, mtimeNanos, uid, gid, sizeBytes, linkTarget, digest, rdevMajor, rdevMinor, device: 0, inode: undefined };
  }

  private readFields(cursor: Cursor, flags: number): Fields {
    const { before, protocol, wanted } = this;
    const listedBytes = protocol >= 30 ? cursor.varlong(3) : cursor.longint();
    const mtimeSeconds = flags & FLAG.sameTime ? before.mtimeSeconds : protocol >= 30 ? cursor.varlong(4) : cursor.u32();
    const mtimeNanos = flags & FLAG.nanos ? nanos(cursor.varint()) : 0;
    const mode = flags & FLAG.sameMode ? before.mode : cursor.i32();
    const kind = kindOf(mode);
    const uid = wanted.owners ? this.id(cursor, flags, FLAG.sameUid, before.uid, this.names.users, FLAG.userName) : 0;
    const gid = wanted.groups ? this.id(cursor, flags, FLAG.sameGid, before.gid, this.names.groups, FLAG.groupName) : 0;
    const isDevice = kind === "block" || kind === "character";
    const hasRdev = wanted.devices && (isDevice || (protocol < 31 && (kind === "fifo" || kind === "socket")));
    const { rdevMajor, rdevMinor } = hasRdev ? this.rdev(cursor, flags) : before;
    const linkTarget = wanted.links && kind === "symlink" ? this.target(cursor) : undefined;
    const isLinked = wanted.hardLinks && protocol < 30 && (protocol === 27 ? kind === "file" : (flags & FLAG.hardLinked) !== 0);
    const device = isLinked && (protocol === 27 || (flags & FLAG.sameDevice28) === 0) ? cursor.longint() : before.device;
    const inode = isLinked ? cursor.longint() : undefined;
    const digest = wanted.listDigests && (kind === "file" || protocol === 27) ? Buffer.from(cursor.bytes(this.digestBytes)) : undefined;
    const sizeBytes = isDevice || kind === "fifo" || kind === "socket" ? 0 : listedBytes;
    if (listedBytes < 0) throw broken("an entry has a size below zero");
    if (sizeBytes > this.limits.fileBytesMax) throw overLimit(`a file of ${sizeBytes} bytes`, { sizeBytes });
    return { mode, sizeBytes, mtimeSeconds, mtimeNanos, uid, gid, rdevMajor, rdevMinor, linkTarget, device, inode, digest };
  }

  private id(cursor: Cursor, flags: number, same: number, before: number, names: Map<number, ByteString>, named: number): number {
    if (flags & same) return before;
    const id = this.number(cursor) >>> 0;
    if (this.protocol >= 30 && flags & named) addName(names, id, cursor.byteString(cursor.u8()));
    return id;
  }

  private rdev(cursor: Cursor, flags: number): { readonly rdevMajor: number; readonly rdevMinor: number } {
    if (this.protocol === 27) {
      if (flags & FLAG.sameRdev27) return this.before;
      const value = cursor.u32(); // As Linux packs 12 bits of major and 20 of minor.
      return { rdevMajor: (value >>> 8) & 0xfff, rdevMinor: (value & 0xff) | ((value >>> 12) & 0xfff00) };
    }
    const rdevMajor = flags & FLAG.sameRdevMajor ? this.before.rdevMajor : this.number(cursor) >>> 0;
    const rdevMinor = this.protocol < 30 && flags & FLAG.smallMinor28 ? cursor.u8() : this.number(cursor) >>> 0;
    return { rdevMajor, rdevMinor };
  }

  private target(cursor: Cursor): ByteString {
    const lengthBytes = this.number(cursor);
    if (lengthBytes < 1 || lengthBytes > LINK_TARGET_BYTES_MAX) throw broken(`a symlink's target has ${lengthBytes} bytes`, { lengthBytes });
    const target = cursor.byteString(lengthBytes);
    if (target.includes("\0")) throw broken("a symlink's target has a zero byte");
    return target;
  }

  private entryOf(flags: number, fields: Fields, link: number | undefined, list: OpenList): Entry {
    const kind = kindOf(fields.mode);
    const isDirectory = kind === "directory";
    if (this.nameBytes === 1 && this.name[0] === 0x2e && !isDirectory)
      throw broken("the place that was asked for is listed as a directory's place and is none");
    const isDevice = kind === "block" || kind === "character";
    const isFirst = this.protocol >= 30 && (flags & FLAG.hardLinked) !== 0 && link === undefined;
    return {
      path: this.name.latin1Slice(0, this.nameBytes) as ByteString,
      kind,
      mode: fields.mode & MODE_BITS,
      sizeBytes: fields.sizeBytes,
      mtimeSeconds: fields.mtimeSeconds,
      mtimeNanos: fields.mtimeNanos,
      uid: fields.uid,
      gid: fields.gid,
      rdevMajor: isDevice ? fields.rdevMajor : 0,
      rdevMinor: isDevice ? fields.rdevMinor : 0,
      linkTarget: fields.linkTarget,
      hardLink: isFirst ? { group: list.startIndex + list.entries.length, isFirst } : linkOf(fields, link),
      digest: fields.digest,
      isTop: isDirectory && (flags & FLAG.topDirectory) !== 0,
      hasNoContent: isDirectory && this.protocol >= 30 && (flags & FLAG.noContentDirectory) !== 0,
    };
  }
}

function linkOf(fields: Fields, link: number | undefined): HardLink | undefined {
  if (link !== undefined) return { group: link, isFirst: false };
  return fields.inode === undefined ? undefined : { group: `${fields.device}:${fields.inode}`, isFirst: undefined };
}

function firstOfGroup(list: OpenList, index: number): Entry {
  const first = list.entries[index - list.startIndex]!;
  if (first.kind !== "directory" && first.hardLink?.isFirst === true) return first;
  throw broken("a hard link names an entry that is not the first of its group", { index });
}

function rawMode(entry: Entry): number {
  return (TYPE_BITS[entry.kind] << 12) | entry.mode;
}

function nanos(value: number): number {
  if (value < 0 || value > NANOS_MAX) throw broken(`a time has ${value} nanoseconds`);
  return value;
}

/** Names of users and groups by id, as far as the server told them. */
export interface IdNames {
  readonly users: Map<number, ByteString>;
  readonly groups: Map<number, ByteString>;
}

function addName(names: Map<number, ByteString>, id: number, name: ByteString): void {
  if (name === "") return;
  names.set(id, name);
  if (names.size > ID_LIST_COUNT_MAX) throw overLimit(`more than ${ID_LIST_COUNT_MAX} names of users or groups`);
}

/** One name of the lists that follow the entries where lists are not incremental; false at their end. */
export function readIdName(cursor: Cursor, names: Map<number, ByteString>, agreement: Agreement): boolean {
  const id = (agreement.protocol >= 30 ? cursor.varint() : cursor.i32()) >>> 0;
  if (id !== 0) {
    addName(names, id, cursor.byteString(cursor.u8()));
    return true;
  }
  if ((agreement.compat & COMPAT.idZeroNames) !== 0) addName(names, 0, cursor.byteString(cursor.u8()));
  return false;
}
