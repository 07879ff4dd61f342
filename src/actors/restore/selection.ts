/** Include and exclude patterns, in gitignore syntax, relative to the restored folder. */
import ignore from "ignore";
import type { ByteString } from "../../core/index.ts";
import { bytesOf } from "../../core/index.ts";

/** take: it and everything below that is not excluded. inside: not itself, but something below it may be. */
export type Selected = "take" | "inside" | "skip";

export interface Selection {
  /** `relative` has no slash in front. */
  of(relative: ByteString, isDirectory: boolean): Selected;
}

/** undefined where everything is taken. */
export function selectionOf(include: readonly string[], exclude: readonly string[]): Selection | undefined {
  if (include.length + exclude.length === 0) return undefined;
  const included = include.length === 0 ? undefined : matcherOf(include);
  const excluded = matcherOf(exclude);
  return {
    of(relative, isDirectory) {
      const text = `${bytesOf(relative).toString("utf8")}${isDirectory ? "/" : ""}`;
      if (excluded.ignores(text)) return "skip";
      if (included === undefined || included.ignores(text)) return "take";
      return isDirectory ? "inside" : "skip";
    },
  };
}

/** The library remembers its answer for each path it ever saw: a new one every so often keeps memory from growing with the tree. */
const ANSWERS_MAX = 10_000;

function matcherOf(patterns: readonly string[]): { ignores(path: string): boolean } {
  const fresh = (): ignore.Ignore => ignore({ ignorecase: false }).add([...patterns]);
  let matcher = fresh();
  let answerCount = 0;
  return {
    ignores(path) {
      if (++answerCount % ANSWERS_MAX === 0) matcher = fresh();
      return matcher.ignores(path);
    },
  };
}
