/** The kernel's queue of events overflows while Rainbow stands still: a gap is recorded, a comparison follows, and everything is found. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { rainbow, rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const QUEUE_MAX = "/proc/sys/fs/inotify/max_queued_events";
const QUEUE_LIMIT_TESTED_MAX = 65_536; // A longer one would take too many files to fill.
const FOLDER_COUNT = 20;
const test = suite("overflow of the kernel's events");

function queueLength(): number {
  try {
    return Number(readFileSync(QUEUE_MAX, "utf8"));
  } catch {
    return 0; // Another system than Linux.
  }
}

test("an overflow is a gap until the comparison that follows it is done, and nothing is missed", async () => {
  const queueMax = queueLength();
  if (queueMax === 0 || queueMax > QUEUE_LIMIT_TESTED_MAX) return skipped("overflow", `the queue takes ${queueMax} events`);
  if (openOs().source === "node") return skipped("overflow", "there is no addon, so there is no queue");
  const base = temporaryDirectory("overflow");
  const [root, data] = [join(base, "root"), join(base, "data")];
  for (let i = 0; i < FOLDER_COUNT; i++) mkdirSync(join(root, `d${i}`), { recursive: true });
  for (let i = 0; i < 100; i++) writeFileSync(join(root, `d${i % FOLDER_COUNT}`, `old ${i}`), `old ${i}\n`);
  const up = await Up.start(data, [root]);
  try {
    const before = Number(rainbowJson(data, ["flush"])["revision"]);
    up.child.kill("SIGSTOP");
    // Making and writing a file are three events; files take turns, so that none is merged with the one before.
    const count = Math.ceil(queueMax / 3) + 1000;
    for (let i = 0; i < count; i++) writeFileSync(join(root, `d${i % FOLDER_COUNT}`, `new ${i}`), `${i}\n`);
    for (let i = 0; i < 30; i++) rmSync(join(root, `d${i % FOLDER_COUNT}`, `old ${i}`)); // Events of these are lost for sure.
    for (let i = 30; i < 60; i++) renameSync(join(root, `d${i % FOLDER_COUNT}`, `old ${i}`), join(root, `moved ${i}`));
    for (let i = 60; i < 90; i++) writeFileSync(join(root, `d${i % FOLDER_COUNT}`, `old ${i}`), `changed ${i}\n`);
    up.child.kill("SIGCONT");
    await untilClosed(data, before);
    const answer = rainbowJson(data, ["flush"]);
    assert.equal(answer["incomplete"], []);
    const to = join(base, "restored");
    const outcome = rainbow(data, "restore", root, "--to", to);
    assert.is(outcome.status, 0, outcome.stderr);
    assert.equal(contents(to), contents(root));
  } finally {
    up.child.kill("SIGCONT");
    assert.is(await up.stop(), 0, up.output);
  }
});

/** Waits until the gap was opened and closed again; as long as status knows of it, that is degraded. */
async function untilClosed(data: string, before: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const { status, stdout } = rainbow(data, "status", "--json");
    const gaps = (JSON.parse(stdout.toString()) as { gaps: { reason: string }[] }).gaps.map(({ reason }) => reason);
    if (gaps.includes("overflow")) assert.is(status, 3, "degraded while the gap is open");
    const events = rainbowLines(data, ["events", "--from", String(before + 1), "--number", "1000000"]);
    const opened = events.findIndex((each) => each["event"] === "GapOpened" && (each["data"] as { reason: string }).reason === "overflow");
    if (opened < 0) continue;
    const { gap } = events[opened]!["data"] as { gap: string };
    const closed = events.findIndex((each) => each["event"] === "GapClosed" && (each["data"] as { gap: string }).gap === gap);
    if (closed < 0) continue;
    const compared = events.findIndex((each, i) => i > opened && each["event"] === "ReconcileFinished");
    assert.ok(compared > opened && compared < closed, "opened, compared, closed");
    return;
  }
  throw new Error("no overflow was recorded, or its gap never closed");
}

function contents(directory: string): [string, string][] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry): [string, string] => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length), readFileSync(path, "utf8")];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

test.run();
