/** What a list says of one name, and the checks that every name of a server must pass. */
import type { ByteString, NodeKind } from "../core/index.ts";
import { broken, overLimit, shownPath } from "./failure.ts";
import { PATH_BYTES_MAX } from "./limits.ts";
import type { Limits } from "./limits.ts";

export interface HardLink {
  /** Names with the same group are names of one file: the index of the first one, or "device:inode" before protocol 30. */
  readonly group: number | string;
  /** The name that stands for the group; unknown before protocol 30. */
  readonly isFirst: boolean | undefined;
}

export interface Entry {
  /** Relative to what was asked for; "." is that itself. Never absolute, never with ".." or empty components. */
  readonly path: ByteString;
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky, 12 bits. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Before protocol 30 from 1970 to 2106 only. */
  readonly mtimeSeconds: number;
  /** 0 before protocol 31. */
  readonly mtimeNanos: number;
  /** 0 unless owners or groups were asked for. */
  readonly uid: number;
  readonly gid: number;
  /** Of device nodes, where devices were asked for. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly linkTarget: ByteString | undefined;
  readonly hardLink: HardLink | undefined;
  /** Of the content, where the server was asked to read it first. */
  readonly digest: Buffer | undefined;
  /** A directory that was named in the request, or whose content is not part of the list. */
  readonly isTop: boolean;
  readonly hasNoContent: boolean;
}

/** The type bits of a Unix mode, as the protocol has them on all systems. */
export const TYPE_BITS: Readonly<Record<NodeKind, number>> = { fifo: 1, character: 2, directory: 4, block: 6, file: 8, symlink: 10, socket: 12 };
const KINDS = new Map(Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as NodeKind]));

export function kindOf(mode: number): NodeKind {
  const kind = KINDS.get(mode >>> 12);
  if (kind === undefined) throw broken(`an entry has the mode ${(mode >>> 0).toString(8)}`, { mode });
  return kind;
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** Refuses names that could lead anywhere but below the place that was asked for. Works on bytes: this runs for every name. */
export function checkName(bytes: Buffer, length: number, limits: Limits): void {
  const fail = (why: string): never => {
    throw broken(`an entry's name ${why}: '${shownPath(bytes.latin1Slice(0, Math.min(length, 200)) as ByteString)}'`);
  };
  if (length === 0) fail("is empty");
  if (length > PATH_BYTES_MAX) fail(`has ${length} bytes`);
  if (length === 1 && bytes[0] === DOT) return;
  let depth = 1;
  for (let start = 0; start <= length;) {
    let end = start;
    for (; end < length && bytes[end] !== SLASH; end++) if (bytes[end] === 0) fail("has a zero byte");
    if (end === start) fail(start === 0 ? "is absolute" : "has an empty component");
    const isDots = bytes[start] === DOT && (end - start === 1 || (end - start === 2 && bytes[start + 1] === DOT));
    if (isDots) fail("has a component of dots");
    if (end < length && ++depth > limits.depthMax) throw overLimit(`a path with more than ${limits.depthMax} components`);
    start = end + 1;
  }
}
