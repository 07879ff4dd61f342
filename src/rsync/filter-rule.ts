/** One filter rule: read from text as rsync's users write it, and written as a server reads it. PROTOCOL.md "Filters". */
import type { ByteString } from "../core/index.ts";
import { RainbowError } from "../core/index.ts";
import { FILTER_RULE_BYTES_MAX } from "./limits.ts";
import { compilePattern } from "./filter-pattern.ts";
import type { Pattern } from "./filter-pattern.ts";

/** Which side keeps to a rule: the sender leaves names out of its list, the receiver keeps what it would delete. */
export type Side = "sender" | "receiver";

export interface MatchRule {
  readonly kind: "include" | "exclude";
  readonly text: ByteString;
  /** Undefined: both. */
  readonly side: Side | undefined;
  readonly isNegated: boolean;
  readonly isPerishable: boolean;
  readonly pattern: Pattern;
}

/** Rules from a file: of the list's root, or of every directory, where each directory's go before those of its parents. */
export interface MergeRule {
  readonly kind: "merge" | "dir-merge";
  readonly text: ByteString;
  readonly fileName: ByteString;
  /** The file's lines are patterns of that kind instead of rules. */
  readonly lines: "rules" | "include" | "exclude";
  readonly side: Side | undefined;
  readonly isInherited: boolean;
  readonly isExcluded: boolean;
  readonly splitsWords: boolean;
}

/** Forgets all rules before it. */
export interface ClearRule {
  readonly kind: "clear";
  readonly text: ByteString;
}

export type FilterRule = MatchRule | MergeRule | ClearRule;

const WORDS: Readonly<Record<string, string>> = {
  exclude: "-",
  include: "+",
  merge: ".",
  "dir-merge": ":",
  hide: "H",
  show: "S",
  protect: "P",
  risk: "R",
  clear: "!",
};

/** `- *.o`, `+ /src/***`, `exclude,s cache/`, `: .rsync-filter`, `P *.log`, `!`. `base` is the directory of the file that the rule stands in. */
export function parseRule(text: ByteString, base = "" as ByteString): FilterRule {
  if (text.length > FILTER_RULE_BYTES_MAX) throw unclear(text, `it is longer than ${FILTER_RULE_BYTES_MAX} bytes`);
  if (text === "!" || text === "clear") return { kind: "clear", text };
  const match = /^(?:(exclude|include|merge|dir-merge|hide|show|protect|risk)(?:,([^ _]*))?|([-+.:HSPR]),?([^ _]*))[ _](.+)$/s.exec(text);
  if (match === null) throw unclear(text, "a rule is a sign or a word, a space, and a pattern");
  const sign = match[3] ?? WORDS[match[1]!]!;
  const modifiers = match[2] ?? match[4] ?? "";
  const rest = match[5] as ByteString;
  return sign === "." || sign === ":" ? mergeRule(text, sign, modifiers, rest) : matchRule(text, sign, modifiers, rest, base);
}

function matchRule(text: ByteString, sign: string, modifiers: string, pattern: ByteString, base: ByteString): MatchRule {
  if (/[^!srp]/.test(modifiers)) throw unclear(text, "of the modifiers only ! s r p are known");
  return {
    kind: "-HP".includes(sign) ? "exclude" : "include",
    text,
    side: "HS".includes(sign) ? "sender" : "PR".includes(sign) ? "receiver" : sideOf(modifiers),
    isNegated: modifiers.includes("!"),
    isPerishable: modifiers.includes("p"),
    pattern: compilePattern(pattern, base),
  };
}

function mergeRule(text: ByteString, sign: string, modifiers: string, fileName: ByteString): MergeRule {
  if (/[^-+ensrw]/.test(modifiers)) throw unclear(text, "of the modifiers of a merge only - + e n s r w are known");
  return {
    kind: sign === "." ? "merge" : "dir-merge",
    text,
    fileName: (sign === ":" ? fileName.replace(/^\/+/, "") : fileName) as ByteString, // With the slash it is looked for above the root, too.
    lines: modifiers.includes("-") ? "exclude" : modifiers.includes("+") ? "include" : "rules",
    side: sideOf(modifiers),
    isInherited: !modifiers.includes("n"),
    isExcluded: modifiers.includes("e"),
    splitsWords: modifiers.includes("w"),
  };
}

function sideOf(modifiers: string): Side | undefined {
  const [isSender, isReceiver] = [modifiers.includes("s"), modifiers.includes("r")];
  return isSender === isReceiver ? undefined : isSender ? "sender" : "receiver";
}

/** The rules of a merged file, in order. */
export function parseRuleFile(content: ByteString, merge: MergeRule, base: ByteString): FilterRule[] {
  const lines = merge.splitsWords ? content.split(/\s+/) : content.split(/\r?\n/);
  const texts = lines.filter((line) => line !== "" && (merge.splitsWords || !/^[#;]/.test(line)));
  return texts.map((line) => {
    const isPlain = merge.lines !== "rules" && line !== "!";
    const rule = parseRule((isPlain ? `${merge.lines === "include" ? "+" : "-"} ${line}` : line) as ByteString, base);
    return rule.kind === "clear" || merge.side === undefined ? rule : { ...rule, side: rule.side ?? merge.side };
  });
}

/** Rules by which exactly these paths (without leading slash) are listed: a directory with "/" at its end with all its content. */
export function rulesForPaths(paths: readonly ByteString[]): FilterRule[] {
  const texts = new Set<string>();
  for (const path of paths) {
    const parts = path.replace(/\/$/, "").split("/");
    for (let depth = 1; depth < parts.length; depth++) texts.add(`+ /${escapedPattern(parts.slice(0, depth).join("/"), "/")}`);
    texts.add(`+ /${escapedPattern(parts.join("/"), path.endsWith("/") ? "/***" : "")}`);
  }
  return [...texts, "- *"].map((text) => parseRule(text as ByteString));
}

/** A backslash escapes only in patterns that have a wildcard; without one it stands for itself. */
function escapedPattern(path: string, end = ""): string {
  const hasWildcard = /[*?[]/.test(path + end);
  return (hasWildcard ? path.replace(/[*?[\\]/g, "\\$&") : path) + end;
}

/** How the server reads a rule. Before protocol 29 it knows patterns alone. */
export function encodeRule(rule: FilterRule, protocol: number): ByteString {
  const isSimple = rule.kind === "clear" || ((rule.kind === "include" || rule.kind === "exclude") && rule.side === undefined && !rule.isNegated);
  if (protocol >= 29 || isSimple) return rule.text;
  throw new RainbowError(
    "UNSUPPORTED",
    `the rsync server is too old for the filter rule '${rule.text}': it speaks protocol ${protocol}, and 29 knows such rules`,
    {
      protocol,
    },
  );
}

function unclear(text: ByteString, why: string): RainbowError {
  return new RainbowError("USAGE", `the filter rule '${text.slice(0, 200)}' cannot be understood: ${why}`, { rule: text });
}
