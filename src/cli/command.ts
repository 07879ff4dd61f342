/** What a command file gives: its options, and what it does. */
import type { Command } from "commander";
import type { Invocation } from "./invocation.ts";

export interface CommandFile<Options extends object = Record<string, unknown>> {
  /** Adds options and help texts; name, arguments and summary stand in the table of commands. */
  declare?(command: Command): void;
  /** Resolves with the exit code. `words` are the arguments in the table's order, undefined where left out. */
  run(invocation: Invocation, words: readonly (string | readonly string[] | undefined)[], options: Options): Promise<number>;
}

export const AT_OPTION = ["--at <instant>", "as of when: 10m, 17:00, yesterday, 2026-05-01, r4821, a snapshot, now"] as const;

export const MIRROR_OPTION = ["--mirror <name>", "of this mirror, not of the folders"] as const;

/** Collects a repeatable option's values. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

export function word(words: readonly (string | readonly string[] | undefined)[], index: number): string | undefined {
  const value = words[index];
  return typeof value === "string" ? value : undefined;
}

export function wordList(words: readonly (string | readonly string[] | undefined)[], index: number): readonly string[] {
  const value = words[index];
  return typeof value === "string" ? [value] : (value ?? []);
}
