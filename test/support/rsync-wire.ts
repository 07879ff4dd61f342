/** The sender's side of the rsync protocol, as far as tests need it: numbers, frames, entries. Written from PROTOCOL.md, apart from the product. */
import { ByteWriter } from "../../src/core/index.ts";
import { FLAG } from "../../src/rsync/entry-reader.ts";

export const COMPAT_ALL = 511;
export const COMPAT_WHOLE_LIST = 510;

export class WireWriter extends ByteWriter {
  i32(value: number): this {
    this.u32(value >>> 0);
    return this;
  }

  /** A signed 64-bit number. */
  i64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    this.bytes(bytes);
    return this;
  }

  longint(value: number): this {
    if (value >= 0 && value < 2 ** 31) return this.i32(value);
    return this.i32(-1).i64(value);
  }

  /** 1 to 5 bytes, as short as it gets. */
  packed(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value | 0);
    return this.shortest(bytes, 1);
  }

  /** `least` to 9 bytes. */
  long(value: number, least: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return this.shortest(bytes, least);
  }

  /** The value's lower bytes behind a first byte that tells how many there are and, where there is room, holds the top one. */
  private shortest(bytes: Buffer, least: number): this {
    let count = bytes.length;
    while (count > least && bytes[count - 1] === 0) count--;
    const extra = count - least;
    const top = bytes[count - 1]!;
    if (top < 1 << (7 - extra)) {
      this.u8(marker(extra) | top);
      this.bytes(bytes.subarray(0, count - 1));
    } else {
      this.u8(marker(extra + 1));
      this.bytes(bytes.subarray(0, count));
    }
    return this;
  }
}

/** The leading bits that announce so many extra bytes. */
function marker(extra: number): number {
  return (0xff00 >> extra) & 0xff;
}

/** Writes indexes as differences, as a sender does. */
export class IndexWriter {
  private positive = -1;
  private negative = 1;

  write(out: WireWriter, value: number, protocol: number): void {
    if (protocol < 30) return void out.i32(value);
    if (value === -1) return out.u8(0);
    if (value < 0) out.u8(0xff);
    const before = value < 0 ? this.negative : this.positive;
    const absolute = Math.abs(value);
    if (value < 0) this.negative = absolute;
    else this.positive = absolute;
    const difference = absolute - before;
    if (difference > 0 && difference < 254) return out.u8(difference);
    out.u8(0xfe);
    if (difference >= 0 && difference < 0x8000) return out.bytes(Buffer.of(difference >> 8, difference & 0xff));
    out.bytes(Buffer.of((absolute >>> 24) | 0x80, absolute & 0xff, (absolute >> 8) & 0xff, (absolute >> 16) & 0xff));
  }
}

export function frame(tag: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(4);
  header.writeUInt32LE((((7 + tag) << 24) | bytes.length) >>> 0);
  return Buffer.concat([header, bytes]);
}

export interface WireEntry {
  readonly path: string;
  readonly mode: number;
  readonly sizeBytes?: number;
  readonly mtimeSeconds?: number;
  readonly mtimeNanos?: number;
  readonly linkTarget?: string;
  /** From protocol 30 on: a first name, or the index of the first one; before: device and inode. */
  readonly hardLink?: "first" | number | readonly [device: number, inode: number];
  readonly uid?: number;
  readonly gid?: number;
  readonly rdev?: readonly [major: number, minor: number];
  readonly digest?: Buffer;
  readonly flags?: number;
}

export interface EntryStyle {
  readonly protocol: number;
  /** Flags as a varint: from protocol 30 on, where both sides know how. */
  readonly hasVarintFlags: boolean;
  readonly owners: boolean;
  readonly devices: boolean;
}

/** One entry that refers to nothing before it. */
export function writeEntry(out: WireWriter, entry: WireEntry, style: EntryStyle): void {
  const { protocol } = style;
  const path = Buffer.from(entry.path, "latin1");
  const number = (value: number): WireWriter => (protocol >= 30 ? out.packed(value) : out.i32(value));
  const isLinked = entry.hardLink !== undefined && (protocol !== 27 || typeof entry.hardLink === "object");
  let flags = entry.flags ?? 0;
  if (path.length > 255) flags |= FLAG.longName;
  if (entry.mtimeNanos !== undefined && protocol >= 31) flags |= FLAG.nanos;
  if (isLinked && protocol >= 28) flags |= FLAG.hardLinked;
  if (entry.hardLink === "first" && protocol >= 30) flags |= FLAG.hardLinkFirst;
  writeFlags(out, flags, style);
  if (path.length > 255) number(path.length);
  else out.u8(path.length);
  out.bytes(path);
  if (typeof entry.hardLink === "number" && protocol >= 30) number(entry.hardLink);
  if (protocol >= 30) out.long(entry.sizeBytes ?? 0, 3);
  else out.longint(entry.sizeBytes ?? 0);
  if (protocol >= 30) out.long(entry.mtimeSeconds ?? 0, 4);
  else out.i32(entry.mtimeSeconds ?? 0);
  if (flags & FLAG.nanos) out.packed(entry.mtimeNanos!);
  out.i32(entry.mode);
  if (style.owners) {
    number(entry.uid ?? 0);
    number(entry.gid ?? 0);
  }
  if (style.devices) writeRdev(out, entry, protocol);
  if (entry.linkTarget !== undefined) {
    number(entry.linkTarget.length);
    out.bytes(Buffer.from(entry.linkTarget, "latin1"));
  }
  if (typeof entry.hardLink === "object" && protocol < 30) out.longint(entry.hardLink[0]).longint(entry.hardLink[1]);
  if (entry.digest !== undefined) out.bytes(entry.digest);
}

function writeFlags(out: WireWriter, flags: number, style: EntryStyle): void {
  if (style.hasVarintFlags) return void out.packed(flags === 0 ? FLAG.extended : flags);
  if (style.protocol < 28) return out.u8(flags === 0 ? FLAG.topDirectory : flags);
  if ((flags & 0xff00) === 0 && flags !== 0) return out.u8(flags);
  out.u16(flags | FLAG.extended);
}

function writeRdev(out: WireWriter, entry: WireEntry, protocol: number): void {
  const type = entry.mode >> 12;
  const isDevice = type === 2 || type === 6;
  const isSpecial = type === 1 || type === 12;
  if (!isDevice && (!isSpecial || protocol >= 31)) return;
  const [major, minor] = entry.rdev ?? [0, 0];
  if (protocol === 27) out.i32((major << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12));
  else if (protocol < 30) out.i32(major).i32(minor);
  else out.packed(major).packed(minor);
}

export function writeListEnd(out: WireWriter, style: EntryStyle, ioError = 0): void {
  out.u8(0);
  if (style.hasVarintFlags) out.packed(ioError);
  if (style.protocol < 30) out.i32(ioError);
}
