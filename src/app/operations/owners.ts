/** Whom a path asks about: this machine, or the mirror that `mirror:NAME/PATH` names. Paths on disk are absolute, so they are never taken for one. */
import type { OpenedMachine } from "../../actors/machine/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";

const MIRROR_PREFIX = "mirror:";

export interface Owner {
  readonly opened: OpenedMachine;
  /** Absolute, in the owner's own tree. */
  readonly path: ByteString;
  /** What stands before a path in an answer: "" or "mirror:NAME". */
  readonly prefix: string;
  /** The view with the content that belongs to it. */
  readonly viewOf: (view: View) => View;
}

export function isOfMirror(path: ByteString): boolean {
  return path.startsWith(MIRROR_PREFIX);
}

/** NOT_FOUND where there is no mirror of that name. */
export async function ownerOf({ host, mirrors }: OperationsContext, path: ByteString): Promise<Owner> {
  if (!isOfMirror(path)) return { opened: host.opened(), path, prefix: "", viewOf: (view) => view };
  const slash = path.indexOf("/");
  const prefix = slash === -1 ? path : path.slice(0, slash);
  const mirror = await mirrors.named(Buffer.from(prefix.slice(MIRROR_PREFIX.length), "latin1").toString("utf8"));
  return { opened: mirror.machine, path: (slash === -1 ? "/" : path.slice(slash)) as ByteString, prefix, viewOf: (view) => mirrors.viewOf(mirror, view) };
}

/** A path of the owner's tree as people name it. */
export function shownPath({ prefix }: Owner, path: ByteString): ByteString {
  if (prefix === "") return path;
  return (path === "/" ? prefix : prefix + path) as ByteString;
}
