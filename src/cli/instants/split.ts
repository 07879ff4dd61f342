/** PATH@INSTANT: the last `@` splits, and only where an instant stands right of it. */
import { isRainbowError } from "../../core/index.ts";
import type { RainbowError } from "../../core/index.ts";
import type { InstantWords } from "../../app/index.ts";
import { parseInstant } from "./parse.ts";
import type { ParseOptions } from "./parse.ts";

export interface SplitPath {
  /** Left of the `@`; "" is the current folder. */
  readonly path: string;
  readonly words: string;
  /** What stands right of it, or why an instant that is well written cannot be taken. */
  readonly instant: InstantWords | RainbowError;
}

/** undefined where the argument is a path and nothing else. A `name` counts only if such a snapshot exists: that is the caller's to check. */
export function splitPath(argument: string, options: ParseOptions): SplitPath | undefined {
  const at = argument.lastIndexOf("@");
  if (at === -1) return undefined;
  const path = argument.slice(0, at);
  const words = argument.slice(at + 1);
  if (words === "" || words.includes("/")) return undefined;
  try {
    return { path, words, instant: parseInstant(words, options) };
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    return isRainbowError(error, "INSTANT_INVALID") ? undefined : { path, words, instant: error };
  }
}
