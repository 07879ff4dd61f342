/** Absolute paths to nodes of a view. Links are not followed: a path names what lies there. */
import { byteStringOfText, displayOf, MACHINE_NODE, RainbowError } from "../core/index.ts";
import type { ByteString, NodeId, NodeKind } from "../core/index.ts";
import type { NameEntry, View } from "./view.ts";

export interface ResolvedPath {
  readonly node: NodeId;
  readonly kind: NodeKind;
  /** Normalised: no empty parts, no slash at the end. */
  readonly path: ByteString;
  readonly root: NodeId;
  readonly rootPath: ByteString;
}

const NAMED_IN_MESSAGE = 5;

/**
 * The root that contains the path (the longest that does and has it), then name by name. NOT_PROTECTED where no root of that instant
 * contains it; NOT_FOUND names the part that did not exist.
 */
export function resolvePath(view: View, absolutePath: ByteString): ResolvedPath {
  const path = normalised(absolutePath);
  const roots = [...view.list(MACHINE_NODE)].filter((root) => contains(root.name, path)).sort((a, b) => b.name.length - a.name.length);
  if (roots.length === 0) throw notProtected(view, path);
  let missing: RainbowError | undefined;
  for (const root of roots) {
    const found = walk(view, root, path);
    if (!(found instanceof RainbowError)) return { ...found, path, root: root.node, rootPath: root.name };
    missing ??= found;
  }
  throw missing!;
}

function walk(view: View, root: NameEntry, path: ByteString): { readonly node: NodeId; readonly kind: NodeKind } | RainbowError {
  let at: { readonly node: NodeId; readonly kind: NodeKind } = root;
  let done = root.name === "/" ? "" : (root.name as string);
  for (const part of path.slice(root.name.length).split("/").filter(Boolean) as ByteString[]) {
    const next = at.kind === "directory" ? view.lookup(at.node, part) : undefined;
    if (next === undefined) {
      const here = displayOf((done === "" ? "/" : done) as ByteString);
      const why = at.kind === "directory" ? `'${here}' has no '${displayOf(part)}'` : `'${here}' is a ${at.kind}, not a directory`;
      return new RainbowError("NOT_FOUND", `'${displayOf(path)}' did not exist at r${view.revision}: ${why}`, {
        path: displayOf(path),
        revision: view.revision,
      });
    }
    at = next;
    done = `${done}/${part}`;
  }
  return { node: at.node, kind: at.kind };
}

function notProtected(view: View, path: ByteString): RainbowError {
  const names = [...view.list(MACHINE_NODE)].map((root) => `'${displayOf(root.name)}'`);
  const shown = names.slice(0, NAMED_IN_MESSAGE).join(", ") + (names.length > NAMED_IN_MESSAGE ? " and others" : "");
  const what = names.length === 0 ? "nothing was protected then" : `protected were ${shown}`;
  return new RainbowError("NOT_PROTECTED", `'${displayOf(path)}' lies below no folder that was protected at r${view.revision}: ${what}`, {
    path: displayOf(path),
    revision: view.revision,
  });
}

/** No empty parts, no slash at the end. USAGE where it is not absolute, or has '..' in it. */
export function normalised(path: ByteString): ByteString {
  if (!path.startsWith("/")) throw new RainbowError("USAGE", `'${displayOf(path)}' is no absolute path`, { path: displayOf(path) });
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new RainbowError("USAGE", `'${displayOf(path)}' has '..' in it: name the path without`, { path: displayOf(path) });
  return parts.length === 0 ? byteStringOfText("/") : (`/${parts.join("/")}` as ByteString);
}

export function contains(root: ByteString, path: ByteString): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}
