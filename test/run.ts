/**
 * npm test: the static checks, the native build, then every test file in a process of its own, two at a time, each with a time limit.
 * `npm test -- FILTER …` runs only the files whose path contains a FILTER ("static" names the static checks). SEED is passed through.
 * --cases lists every case of a contract with its outcome on each store. Options: --files DIR (take the test files from DIR), --limit SECONDS, --jobs N. A file may ask for longer: `// Time limit: 600 s`.
 * Ends with the plain line "N passed, N failed" or "N passed, N failed, N skipped"; the exit code is 0 only where nothing failed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { killLiveChildren, runChild, type ChildOutcome } from "./runner/child.ts";
import { buildNative, runStaticCheck, STATIC_CHECKS, type StaticCheck } from "./runner/static-checks.ts";
import { verdictOf, type Verdict } from "./runner/verdict.ts";
import { makeWorkspace, removeWorkspace, REPOSITORY, testEnvironment } from "./runner/workspace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: "string" },
    cases: { type: "boolean", default: false },
    limit: { type: "string", default: "300" },
    jobs: { type: "string", default: "2" },
  },
});
const filesDirectory = values.files === undefined ? join(REPOSITORY, "test") : resolve(values.files);
const limitMsDefault = Number(values.limit) * 1000;
const jobCount = Math.max(1, Math.min(Number(values.jobs), availableParallelism()));
const isCampaign = process.env["RAINBOW_CAMPAIGN_SCALE"] !== undefined;
const workspace = makeWorkspace();
const totals = { passed: 0, failed: 0, skipped: [] as string[], failures: [] as string[] };

process.exitCode = await main();

async function main(): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
  const isWanted = (name: string): boolean => positionals.length === 0 || positionals.some((filter) => name.includes(filter));
  const checks = values.files === undefined ? STATIC_CHECKS.filter((check) => isWanted(check.name)) : [];
  const files = testFiles(filesDirectory).filter((file) => isWanted(relative(REPOSITORY, file)));
  if (checks.length + files.length === 0) {
    console.log(`no test file below ${relative(REPOSITORY, filesDirectory) || "."} has ${positionals.join(" or ")} in its path`);
    return 1;
  }
  if (values.files === undefined) await reportNativeBuild(isWanted("static: native build")); // The test files need the addon.
  await inParallel([...checks.map((check) => () => reportCheck(check)), ...files.map((file) => () => reportFile(file))]);
  const leftover = removeWorkspace(workspace);
  if (leftover !== undefined) fail("temporary directory", `could not be removed: ${leftover}`, "");
  printSummary();
  return totals.failed === 0 ? 0 : 1;
}

function stop(signal: string): void {
  killLiveChildren();
  removeWorkspace(workspace);
  console.log(`stopped by ${signal}`);
  process.exit(signal === "SIGINT" ? 130 : 143);
}

function testFiles(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".test.ts") && !name.includes("node_modules"))
    .sort()
    .map((name) => join(directory, name));
}

async function inParallel(tasks: Array<() => Promise<void>>): Promise<void> {
  const queue = [...tasks];
  const worker = async (): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await task();
  };
  await Promise.all(Array.from({ length: jobCount }, worker));
}

/** Where only some files are asked for, a build that fails is said and not counted: their tests tell whether it matters. */
async function reportNativeBuild(isCounted: boolean): Promise<void> {
  const name = "static: native build";
  const built = await buildNative(workspace);
  const isBroken = built.kind === "ran" && built.outcome.exitCode !== 0;
  if (!isCounted) return isBroken ? console.log("note  the native build fails (npm test -- static shows how)") : undefined;
  if (built.kind === "skipped") skip(`${name} - ${built.reason}`);
  if (built.kind === "ran") reportExitCode(name, built.outcome);
}

async function reportCheck(check: StaticCheck): Promise<void> {
  reportExitCode(check.name, await runStaticCheck(check, workspace));
}

function reportExitCode(name: string, outcome: ChildOutcome): void {
  if (outcome.exitCode !== 0) return fail(name, outcome.timedOut ? "ran over its time limit" : `ended with exit code ${outcome.exitCode}`, outcome.output);
  pass(`${name} (${seconds(outcome)})`);
}

function pass(line: string): void {
  totals.passed++;
  console.log(`ok    ${line}`);
}

async function reportFile(file: string): Promise<void> {
  const own = makeWorkspace();
  const name = relative(REPOSITORY, file);
  const limitMs = timeLimitMs(file);
  const options = { cwd: REPOSITORY, env: testEnvironment(own), limitMs, outputFile: join(own, "output") };
  if (isCampaign) console.log(`run   ${name} (follow it with: tail -f ${options.outputFile})`);
  const outcome = await runChild(process.execPath, [file], options);
  const verdict = verdictOf(outcome);
  const leftover = removeWorkspace(own);
  totals.passed += verdict.passedCount;
  for (const reason of verdict.skipped) skip(reason);
  if (verdict.failure === undefined) console.log(`ok    ${name} (${described(verdict)}, ${seconds(outcome)})`);
  for (const seed of verdict.seeds) console.log(`      ${seed}`);
  for (const [line] of values.cases ? outcome.output.matchAll(/^CASE .*$/gm) : []) console.log(`      ${line}`);
  if (verdict.failure !== undefined) fail(name, verdict.failure, outcome.output, verdict.failedCount);
  if (leftover !== undefined) fail(name, `left a temporary directory that could not be removed: ${leftover}`, "");
}

/** The limit on the command line, or the file's own where that is longer; none to speak of in a campaign. */
function timeLimitMs(file: string): number {
  if (isCampaign) return 12 * 3_600_000;
  const asked = /^\/\/ Time limit: (\d+) s\b/m.exec(readFileSync(file, "utf8"));
  return Math.max(limitMsDefault, Number(asked?.[1] ?? 0) * 1000);
}

function fail(name: string, why: string, output: string, count = 1): void {
  totals.failed += count;
  totals.failures.push(`${name}: ${why}`);
  console.log(`FAIL  ${name}: ${why}`);
  if (output.trim() !== "") console.log(output.trimEnd().replace(/^/gm, "      "));
}

function skip(reason: string): void {
  totals.skipped.push(reason);
  console.log(`skip  ${reason}`);
}

function described(verdict: Verdict): string {
  return `${verdict.passedCount} ${verdict.passedCount === 1 ? "test" : "tests"}${verdict.skipped.length > 0 ? `, ${verdict.skipped.length} skipped` : ""}`;
}

function seconds(outcome: ChildOutcome): string {
  return `${(outcome.durationMs / 1000).toFixed(1)} s`;
}

function printSummary(): void {
  if (totals.failures.length > 0) console.log(`\nFailed:\n${totals.failures.map((line) => `  ${line}`).join("\n")}`);
  if (totals.skipped.length > 0) console.log(`\nSkipped:\n${totals.skipped.map((line) => `  ${line}`).join("\n")}`);
  const skipped = totals.skipped.length > 0 ? `, ${totals.skipped.length} skipped` : "";
  console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`);
}
