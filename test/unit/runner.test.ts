/** npm test's own strictness: whatever uvu lets pass with exit code 0 is counted as failed here. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REPOSITORY } from "../runner/workspace.ts";
import { temporaryDirectory } from "../support/temp.ts";

const UVU = pathToFileURL(join(REPOSITORY, "node_modules/uvu/dist/index.mjs")).href;
const SKIP = pathToFileURL(join(REPOSITORY, "test/support/skip.ts")).href;
const HEAD = `import { suite } from ${JSON.stringify(UVU)};\nconst test = suite("x");\n`;

interface Run {
  readonly lastLine: string;
  readonly output: string;
  readonly exitCode: number | null;
}

function runFiles(files: Readonly<Record<string, string>>, ...options: string[]): Run {
  const directory = temporaryDirectory("runner");
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const args = [join(REPOSITORY, "test/run.ts"), "--files", directory, ...options];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { lastLine: stdout.trimEnd().split("\n").at(-1) as string, output: stdout + stderr, exitCode: status };
}

const test = suite("runner");

test("passing tests are counted over all files", () => {
  const run = runFiles({
    "a.test.ts": `${HEAD}test("1", () => {});\ntest("2", () => {});\ntest.run();`,
    "b.test.ts": `${HEAD}test("1", () => {});\ntest.run();`,
  });
  assert.is(run.lastLine, "3 passed, 0 failed");
  assert.is(run.exitCode, 0);
});

test("a failing test fails the run, and its output is shown", () => {
  const run = runFiles({ "a.test.ts": `${HEAD}test("1", () => {});\ntest("2", () => { throw new Error("broken here"); });\ntest.run();` });
  assert.is(run.lastLine, "1 passed, 1 failed");
  assert.match(run.output, /broken here/);
  assert.is(run.exitCode, 1);
});

test("what uvu lets pass fails: no .run(), no test at all, an early end, a second round, a test that hangs, an end by a signal", () => {
  const run = runFiles(
    {
      "no-run.test.ts": `${HEAD}test("1", () => {});`,
      "nothing.test.ts": "const a = 1;",
      "empty-suite.test.ts": `${HEAD}test.run();`,
      "early-end.test.ts": `${HEAD}test("1", () => process.exit(0));\ntest.run();`,
      "twice.test.ts": `${HEAD}test("1", () => {});\ntest.run();\nawait new Promise((done) => setTimeout(done, 50));\ntest("2", () => {});\ntest.run();`,
      "hanging.test.ts": `${HEAD}test("1", () => new Promise(() => setInterval(() => {}, 1000)));\ntest.run();`,
      "signal.test.ts": `${HEAD}test("1", () => process.kill(process.pid, "SIGTERM"));\ntest.run();`,
      "exit-code.test.ts": `${HEAD}test("1", () => {});\ntest.run();\nprocess.on("exit", () => (process.exitCode = 3));`,
    },
    "--limit",
    "2",
  );
  assert.is(run.lastLine, "1 passed, 8 failed"); // The test with exit code 3 did pass; its file did not.
  assert.match(run.output, /hanging\.test\.ts: ran over its time limit/);
  assert.match(run.output, /signal\.test\.ts: was ended by SIGTERM/);
  assert.match(run.output, /twice\.test\.ts: printed its totals more than once/);
  assert.is(run.exitCode, 1);
});

test("a skipped test is counted and listed, not passed", () => {
  const skip = `import { skipped } from ${JSON.stringify(SKIP)};\n`;
  const run = runFiles({ "a.test.ts": `${skip}${HEAD}test("1", () => skipped("rsync", "not installed"));\ntest("2", () => {});\ntest.run();` });
  assert.is(run.lastLine, "1 passed, 0 failed, 1 skipped");
  assert.match(run.output, /Skipped:\n {2}rsync - not installed/);
  assert.is(run.exitCode, 0);
});

test("a grandchild that outlives its test is ended, and holds nobody up", () => {
  const spawned = `import { spawn } from "node:child_process";\nspawn("sleep", ["60"], { stdio: "inherit" }).unref();\n`;
  const startedMs = performance.now();
  const run = runFiles({ "a.test.ts": `${spawned}${HEAD}test("1", () => {});\ntest.run();` });
  assert.is(run.lastLine, "1 passed, 0 failed");
  assert.ok(performance.now() - startedMs < 10_000);
});

test("a filter that fits nothing fails, rather than passing with no test", () => {
  const run = runFiles({ "a.test.ts": `${HEAD}test("1", () => {});\ntest.run();` }, "no-such-name");
  assert.is(run.exitCode, 1);
  assert.match(run.output, /no test file .* has no-such-name in its path/);
});

test.run();
