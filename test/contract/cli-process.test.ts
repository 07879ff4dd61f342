/** The command line as a process: arguments of any bytes, pipes that close, signals, npm, and a running instance over its socket. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { serveRunning } from "../../src/app/index.ts";
import type { Operations } from "../../src/app/index.ts";
import { byteStringOf } from "../../src/core/index.ts";
import { REPOSITORY } from "../runner/workspace.ts";
import { end, PROGRAM, start } from "../support/cli.ts";
import type { CallOptions, Ended } from "../support/cli.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { AS_OF, entry, items, root, statusAnswer } from "../unit/cli/fake-context.ts";

const run = (words: readonly string[], options: CallOptions = {}): Promise<Ended> => end(start(words, options));

interface Running {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly asked: unknown[];
  stop(): Promise<void>;
}

/** An instance with made-up operations, where commands look for it. */
async function instance(given: Partial<Operations>): Promise<Running> {
  const base = temporaryDirectory("c");
  const [dataDirectory, folder] = [join(base, "data"), join(base, "docs")];
  for (const path of [dataDirectory, folder]) mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(dataDirectory, "FORMAT"), "{}");
  const asked: unknown[] = [];
  const list: Operations["list"] = (request) => {
    asked.push(request);
    return items(AS_OF, entry(`${folder}/a`));
  };
  const operations = { roots: async () => [root(folder)], snapshots: async () => [], status: async () => statusAnswer({ dataDirectory }), list, ...given };
  const stop = new AbortController();
  const place = { dataDirectory, runtimeDirectory: base, uid: process.getuid?.() ?? -1 };
  const serving = await serveRunning(operations as Operations, place, { version: "0.1.0", signal: stop.signal });
  return { folder, env: { RAINBOW_DATA_DIR: dataDirectory, TZ: "Asia/Shanghai" }, asked, stop: () => serving.close() };
}

const test = suite("command line process");

test("it asks the instance that runs, and prints with the zone of the environment", async () => {
  const running = await instance({});
  const answer = await run(["ls", running.folder], running);
  assert.equal([answer.exitCode, answer.stderr], [0, "as of 2026-05-01 17:00:00.123 +08:00 (r4821)\n"]);
  assert.match(answer.stdout.toString(), / a\n$/);
  assert.is((await run(["status", "-q"], running)).exitCode, 0);
  await running.stop();
  const stopped = await run(["status"], running);
  assert.is(stopped.exitCode, 11);
  assert.match(stopped.stderr, /\[NOT_RUNNING\]/);
});

test("arguments and folders of any bytes reach the operations as they are", async () => {
  const running = await instance({});
  const script = `mkdir -p "$1"/$'d\\xfe' && cd "$1"/$'d\\xfe' && exec "$2" ls $'a\\xff\\xc3\\xa4' ./ $'\\xc3\\xa4'`;
  const child = spawn("bash", ["-c", script, "bash", running.folder, PROGRAM], { env: { ...process.env, ...running.env }, stdio: ["ignore", "pipe", "pipe"] });
  const answer = await end(child);
  assert.is(answer.exitCode, 0, answer.stderr);
  const here = `${byteStringOf(Buffer.from(running.folder))}/d\xfe`;
  assert.equal(
    running.asked.map((request) => (request as { path: string }).path),
    [`${here}/a\xff\xc3\xa4`, here, `${here}/\xc3\xa4`],
  );
  await running.stop();
});

test("a reader that goes away ends it quietly with 0", async () => {
  const endless: Operations["list"] = () => forever(entry("/x/y"));
  const running = await instance({ list: endless });
  const child = start(["ls", "-1", running.folder], running);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const talk: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => talk.push(chunk));
  const [exitCode] = await new Promise<[number | null]>((resolve) => child.once("close", (code) => resolve([code])));
  assert.equal([exitCode, Buffer.concat(talk).toString()], [0, ""]);
  await running.stop();
});

test("Ctrl-C ends a command with 130 and without a stack", async () => {
  const running = await instance({ list: () => forever(entry("/x/y"), 5) });
  const child = start(["ls", running.folder], running);
  child.stdout?.once("data", () => child.kill("SIGINT"));
  const answer = await end(child);
  assert.equal([answer.exitCode, answer.stderr], [130, ""]);
  await running.stop();
});

test("Ctrl-C ends a command that waits for an answer", async () => {
  let isAsked = false;
  const running = await instance({
    flush: () => {
      isAsked = true;
      return new Promise(() => undefined);
    },
  });
  const child = start(["flush"], running);
  const ended = end(child);
  while (!isAsked) await delay(10);
  child.kill("SIGINT");
  assert.is((await ended).exitCode, 130);
  await running.stop();
});

test("under npm relative paths are relative to where the user stood", async () => {
  const running = await instance({});
  const npm = { npm_lifecycle_event: "start", npm_package_json: join(REPOSITORY, "package.json"), INIT_CWD: running.folder };
  assert.is((await run(["ls", "sub"], { env: { ...running.env, ...npm } })).exitCode, 0);
  const other = { ...npm, npm_package_json: "/other/package.json" };
  await run(["ls", "sub"], { env: { ...running.env, ...other }, cwd: join(running.folder, "..") });
  assert.equal(
    running.asked.map((request) => (request as { path: string }).path),
    [`${running.folder}/sub`, join(running.folder, "../sub")],
  );
  await running.stop();
});

test("it refuses to run as another user than the one who called npm", async () => {
  if (process.getuid?.() !== 0 || !hasCommand("setpriv")) return skipped("npm changed the user", "needs root and setpriv");
  const npm = { npm_lifecycle_event: "start", npm_package_json: join(REPOSITORY, "package.json"), INIT_CWD: "/" };
  // A parent that stays root, and a child that does not: what npm 7 to 8 make of `sudo npm start`.
  const script = `setpriv --reuid 65534 --clear-groups "$1" status; exit $?`;
  const child = spawn("setpriv", ["--reuid", "0", "sh", "-c", script.replace("setpriv", "exec setpriv"), "sh", PROGRAM], {
    env: { ...process.env, ...npm },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const answer = await end(child);
  if (answer.exitCode === 126) return skipped("npm changed the user", "nobody may not run programs of this checkout");
  assert.is(answer.exitCode, 2, answer.stderr);
  assert.match(answer.stderr, /npm changed the user from 0 to 65534/);
});

test("help and version need no data directory and are quick", async () => {
  const env = { RAINBOW_DATA_DIR: "/does/not/exist" };
  for (const words of [["--version"], ["--help"], ["restore", "--help"]]) assert.is((await run(words, { env })).exitCode, 0, words.join(" "));
  const startedMs = performance.now();
  await run(["--version"], { env });
  assert.ok(performance.now() - startedMs < 3000);
});

test("a missing data directory is named, never made", async () => {
  const path = join(temporaryDirectory("c"), "none");
  for (const words of [["ls"], ["status"], ["roots"], ["up"], ["service", "install"]]) {
    const answer = await run(words, { env: { RAINBOW_DATA_DIR: path } });
    assert.is(answer.exitCode, 10, `${words.join(" ")}: ${answer.stderr}`);
    assert.ok(answer.stderr.includes(path));
  }
});

async function* forever<T>(item: T, everyMs = 0): AsyncGenerator<T> {
  for (;;) {
    yield item;
    if (everyMs > 0) await delay(everyMs);
  }
}

test.run();
