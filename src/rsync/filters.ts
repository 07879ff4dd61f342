/**
 * An ordered list of filter rules, and what it says of a name. The first rule that matches decides; a name that none matches is taken.
 * What lies in an excluded directory is never looked at, whatever later rules say of it. Rules per directory are read on entering it,
 * and stand at the place of their dir-merge rule: the innermost directory's first. PROTOCOL.md "Filters".
 */
import type { ByteString } from "../core/index.ts";
import { matches } from "./filter-pattern.ts";
import { parseRuleFile } from "./filter-rule.ts";
import type { FilterRule, MatchRule, MergeRule, Side } from "./filter-rule.ts";

/** Gives a rule file's content, or undefined where the directory has none. `path` is from the list's root. */
export type ReadRules = (path: ByteString) => ByteString | undefined;

const NO_RULES: ReadRules = () => undefined;
const MERGE_DEPTH_MAX = 32; // A file that merges itself would never end.

export class Filters {
  private readonly rules: readonly (MatchRule | MergeRule)[];
  private readonly readRules: ReadRules;
  /** For each dir-merge rule the rules in force in this directory, the innermost first. */
  private readonly perDirectory: ReadonlyMap<MergeRule, readonly (MatchRule | MergeRule)[]>;

  private constructor(
    rules: readonly (MatchRule | MergeRule)[],
    readRules: ReadRules,
    perDirectory: ReadonlyMap<MergeRule, readonly (MatchRule | MergeRule)[]>,
  ) {
    this.rules = rules;
    this.readRules = readRules;
    this.perDirectory = perDirectory;
  }

  /** The rules as they hold in the list's root. */
  static atRoot(rules: readonly FilterRule[], readRules: ReadRules = NO_RULES): Filters {
    const merged = flattened(rules, readRules, 0);
    return new Filters(merged, readRules, new Map()).within("" as ByteString);
  }

  /** The rules as they hold for the names in `directory`, which lies in this one. */
  within(directory: ByteString, readRules = this.readRules): Filters {
    const { mergeRules } = this;
    if (mergeRules.length === 0) return this;
    const next = new Map<MergeRule, readonly (MatchRule | MergeRule)[]>();
    for (const rule of mergeRules) {
      const content = readRules(below(directory, rule.fileName));
      const parsed = content === undefined ? [] : parseRuleFile(content, rule, directory);
      const clearedAt = parsed.findLastIndex((each) => each.kind === "clear");
      const inherited = rule.isInherited && clearedAt < 0 ? (this.perDirectory.get(rule) ?? []) : [];
      next.set(rule, [...flattened(parsed, readRules, 0), ...inherited]);
    }
    return new Filters(this.rules, this.readRules, next);
  }

  /** Which files `within` asks for on entering a directory of this one. */
  ruleFilesIn(directory: ByteString): ByteString[] {
    return this.mergeRules.map(({ fileName }) => below(directory, fileName));
  }

  private get mergeRules(): MergeRule[] {
    return [...this.rules, ...[...this.perDirectory.values()].flat()].filter((rule): rule is MergeRule => "fileName" in rule);
  }

  /**
   * What the rules say of one name in this directory: true where it is left out (sender), or kept from deletion (receiver; where what is
   * left out is deleted as well, only rules that name that side keep anything).
   */
  excludes(path: ByteString, isDirectory: boolean, side: Side | "onlyReceiver" = "sender"): boolean {
    return this.decide(this.rules, path, isDirectory, side) === "exclude";
  }

  /** As `excludes`, for a path from the root whose directories were not entered: rules per directory are not asked. */
  excludesPath(path: ByteString, isDirectory: boolean): boolean {
    if (path === ".") return false;
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1))
      if (this.excludes(path.slice(0, slash) as ByteString, true)) return true;
    return this.excludes(path, isDirectory);
  }

  private decide(
    rules: readonly (MatchRule | MergeRule)[],
    path: ByteString,
    isDirectory: boolean,
    side: Side | "onlyReceiver",
  ): "include" | "exclude" | undefined {
    for (const rule of rules) {
      if (rule.side !== undefined && rule.side !== (side === "sender" ? side : "receiver")) continue;
      const isAsked = side !== "onlyReceiver" || rule.side !== undefined;
      if ("pattern" in rule) {
        if (!isAsked) continue;
        if (matches(rule.pattern, path, isDirectory) !== rule.isNegated) return rule.kind;
        continue;
      }
      if (isAsked && rule.isExcluded && path.slice(path.lastIndexOf("/") + 1) === rule.fileName) return "exclude";
      const decided = this.decide(this.perDirectory.get(rule) ?? [], path, isDirectory, side);
      if (decided !== undefined) return decided;
    }
    return undefined;
  }
}

function below(directory: ByteString, name: ByteString): ByteString {
  return (directory === "" ? name : `${directory}/${name}`) as ByteString;
}

/** Whether the rules alone say what a server lists: rules in its files do not. */
export function areKnown(rules: readonly FilterRule[]): boolean {
  return rules.every((rule) => rule.kind !== "merge" && rule.kind !== "dir-merge");
}

/** Without what was cleared, and with merged files in their place. */
function flattened(rules: readonly FilterRule[], readRules: ReadRules, depth: number): (MatchRule | MergeRule)[] {
  const out: (MatchRule | MergeRule)[] = [];
  for (const rule of rules) {
    if (rule.kind === "clear") out.length = 0;
    else if (rule.kind !== "merge") out.push(rule);
    else if (depth < MERGE_DEPTH_MAX)
      out.push(...flattened(parseRuleFile(readRules(rule.fileName) ?? ("" as ByteString), rule, "" as ByteString), readRules, depth + 1));
  }
  return out;
}
