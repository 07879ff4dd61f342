/**
 * Patterns of filter rules as the rsync manual describes them ("PATTERN MATCHING RULES"), turned into regular expressions over bytes.
 * A path is tried as "/a/b", and as "/a/b/" where it is a directory and the pattern ends with "/***".
 */
import type { ByteString } from "../core/index.ts";

export interface Pattern {
  readonly isDirectoryOnly: boolean;
  /** Ends with three stars: a directory with all that lies in it. */
  readonly takesContent: boolean;
  readonly expression: RegExp;
}

/** `base`: the directory ("" for the root of the list) that a leading slash stands for. */
export function compilePattern(text: ByteString, base: ByteString): Pattern {
  const isDirectoryOnly = text.length > 1 && text.endsWith("/");
  const pattern = isDirectoryOnly ? text.slice(0, -1) : text;
  const takesContent = pattern.endsWith("/***");
  const isAnchored = pattern.startsWith("/");
  const place = base === "" ? "" : literal(`/${base}`);
  // A pattern without slash and "**" sees the last component alone; any other one the whole path, from the base or from any slash on.
  // Two stars at its beginning take the slash before the first component too, so that "**/x" is also an x in the root.
  const start = isAnchored || pattern.startsWith("**") ? place : `${place}(?:/|/.*/)`;
  const hasWildcard = /[*?[]/.test(pattern);
  const body = hasWildcard ? wildcards(takesContent ? pattern.slice(0, -1) : pattern) : literal(pattern);
  return { isDirectoryOnly, takesContent, expression: new RegExp(`^${start}${body}$`, "s") };
}

export function matches(pattern: Pattern, path: ByteString, isDirectory: boolean): boolean {
  if (pattern.isDirectoryOnly && !isDirectory) return false;
  return pattern.expression.test(`/${path}${pattern.takesContent && isDirectory ? "/" : ""}`);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

function wildcards(pattern: string): string {
  let out = "";
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern[at]!;
    if (c === "*") {
      const stars = /^\*+/.exec(pattern.slice(at))![0].length;
      out += stars > 1 ? ".*" : "[^/]*";
      at += stars - 1;
    } else if (c === "?") out += "[^/]";
    else if (c === "\\" && at + 1 < pattern.length) out += literal(pattern[++at]!);
    else if (c === "[") {
      const set = setAt(pattern, at);
      if (set === undefined) return "[^\\s\\S]"; // A set without end matches nothing.
      out += set.expression;
      at = set.end;
    } else out += literal(c);
  }
  return out;
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

/** A set as "[a-z]", "[!x]", "[[:digit:]_]"; it never matches a slash. */
function setAt(pattern: string, from: number): { readonly expression: string; readonly end: number } | undefined {
  const match = /^\[([!^]?)(\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]/s.exec(pattern.slice(from));
  if (match === null) return undefined;
  const members = [...match[2]!.matchAll(/\[:([a-z]+):\]|\\(.)|(.)/gs)];
  let body = "";
  members.forEach(([, name, escaped, plain], i) => {
    const isRange = plain === "-" && i > 0 && i < members.length - 1;
    if (name !== undefined) body += CLASSES[name] ?? "";
    else body += isRange ? "-" : literal((escaped ?? plain)!);
  });
  const end = from + match[0].length - 1;
  if (body === "") return { expression: match[1] === "" ? "[^\\s\\S]" : "[^/]", end };
  return { expression: `(?!/)[${match[1] === "" ? "" : "^"}${body}]`, end };
}
