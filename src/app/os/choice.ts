/** Which implementation of the Os port this machine gets. */
import type { Os } from "../../core/index.ts";
import { loadAddon } from "./addon.ts";
import { NativeOs } from "./native.ts";
import { NodeOs } from "./node.ts";

export interface OsOptions {
  /** Forces one of the two; "native" throws where the addon does not load. */
  readonly only?: "native" | "node";
}

export interface OsChoice {
  readonly os: Os;
  /** Why the addon is not in use, for people; "" where it is. */
  readonly reason: string;
}

export function chooseOs(options: OsOptions = {}): OsChoice {
  if (options.only === "node") return { os: new NodeOs(), reason: "plain Node was asked for" };
  const addon = loadAddon();
  if (typeof addon !== "string") return { os: new NativeOs(addon), reason: "" };
  if (options.only === "native") throw new Error(addon);
  return { os: new NodeOs(), reason: addon };
}

/** As chooseOs, for callers that do not ask why. */
export function openOs(options: OsOptions = {}): Os {
  return chooseOs(options).os;
}
