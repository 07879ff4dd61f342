/**
 * What a test process's end and output mean. uvu alone is not safe: a suite without `.run()` exits with 0, `.only` hides the others,
 * and a second round of suites counts the first again. So totals must be there once, name at least one test, and agree with the exit code.
 */
import type { ChildOutcome } from "./child.ts";

export interface Verdict {
  readonly passedCount: number;
  readonly failedCount: number;
  /** "name - reason", one for each skipped test. */
  readonly skipped: readonly string[];
  /** Lines that name the seed of a random test. */
  readonly seeds: readonly string[];
  /** Why the file failed; undefined where it passed. */
  readonly failure: string | undefined;
}

const TOTALS = /^ {2}Total: {5}(\d+)\n {2}Passed: {4}(\d+)\n {2}Skipped: {3}(\d+)\n {2}Duration: {2}/gm;

export function verdictOf(outcome: ChildOutcome): Verdict {
  const skipped = [...outcome.output.matchAll(/^SKIPPED: (.+)$/gm)].map((match) => match[1] as string);
  const seeds = [...outcome.output.matchAll(/^SEED=.*$/gm)].map((match) => match[0]);
  const totals = [...outcome.output.matchAll(TOTALS)];
  const [total, passed, skips] = (totals.length === 1 ? totals[0]!.slice(1).map(Number) : [0, 0, 0]) as [number, number, number];
  for (let i = 0; i < skips; i++) skipped.push("a test marked .skip");
  const failure = failureOf(outcome, totals.length, total, passed);
  // A test that finds its peer missing says SKIPPED and returns, so uvu counts it as passed.
  const passedCount = Math.max(0, passed - (skipped.length - skips));
  const failedCount = failure === undefined ? 0 : Math.max(1, total - passed);
  return { passedCount, failedCount, skipped, seeds, failure };
}

function failureOf(outcome: ChildOutcome, totalsCount: number, total: number, passed: number): string | undefined {
  if (outcome.timedOut) return `ran over its time limit (${Math.round(outcome.durationMs / 1000)} s) and was killed`;
  if (outcome.signal !== undefined) return `was ended by ${outcome.signal}`;
  if (totalsCount === 0) return `ended with exit code ${outcome.exitCode} and without totals (no .run()?)`;
  if (totalsCount > 1) return "printed its totals more than once (a suite registered after the others had run?)";
  if (total === 0) return "ran no test (a suite without .run()?)";
  if (passed !== total) return `${total - passed} of ${total} tests failed`;
  if (outcome.exitCode !== 0) return `ended with exit code ${outcome.exitCode} although all its tests passed`;
  return undefined;
}
