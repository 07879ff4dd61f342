/**
 * kill -9 at random moments of start-up, initial backup, ingest and replay. After each: what was flushed before is still there, the
 * stores are clean, and what happened while nothing ran is captured, with the gap named.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { rainbow, rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { temporaryDirectory } from "../support/temp.ts";

const KILL_COUNT = 200;
const KILL_MS_MAX = 1100; // Start-up takes about half of it, so kills fall before, in and after it.
const random = seededRandom(campaignSeed());
const test = suite("kill -9");

type Content = ReadonlyMap<string, string>;
interface Kept {
  readonly revision: number;
  readonly content: Content;
}

function contentOf(directory: string): Content {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(directory.length + 1), readFileSync(path, "latin1")]));
}

function mutate(directory: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const folder = join(directory, `d${random.int(6)}`);
    mkdirSync(folder, { recursive: true });
    const names = readdirSync(folder);
    const kind = names.length < 4 ? 0 : random.int(6);
    const path = join(folder, kind < 2 ? `f${random.int(1e9)}` : random.pick(names));
    if (kind < 2) writeFileSync(path, random.bytes(random.int(60_000)));
    else if (kind === 2) appendFileSync(path, random.bytes(random.int(9000)));
    else if (kind === 3) renameSync(path, join(directory, `d${random.int(6)}`, `m${random.int(1e9)}`));
    else if (kind === 4) rmSync(path);
    else writeFileSync(path, random.bytes(random.int(60_000)));
  }
}

function makeFolders(directory: string): void {
  for (let i = 0; i < 6; i++) mkdirSync(join(directory, `d${i}`), { recursive: true });
}

/** Starts, lets it live for a random moment under change, and kills it. What a flush answered meanwhile is kept. */
async function liveAndDie(data: string, folder: string, kept: Kept[]): Promise<void> {
  const up = await Up.start(data, [folder], { scanned: false, answering: random.chance(0.6) });
  mutate(folder, random.int(20));
  if (random.chance(0.5)) {
    const flushed = rainbow(data, "flush", "--json");
    if (flushed.status === 0)
      kept.push({ revision: Number((JSON.parse(flushed.stdout.toString()) as { revision: number }).revision), content: contentOf(folder) });
  }
  mutate(folder, random.int(30));
  await new Promise((done) => setTimeout(done, random.int(KILL_MS_MAX)));
  await up.kill();
}

function compare(data: string, folder: string, { revision, content }: Kept, target: string): void {
  const outcome = rainbow(data, "restore", folder, "--at", `r${revision}`, "--to", target);
  assert.is(outcome.status, 0, `r${revision}: ${outcome.stderr}`);
  const restored = contentOf(target);
  assert.equal([...restored.keys()], [...content.keys()], `r${revision}`);
  for (const [path, bytes] of content) assert.ok(restored.get(path) === bytes, `${path} at r${revision}`);
  rmSync(target, { recursive: true });
}

test("nothing that was flushed is lost, the stores stay clean, and what was missed is captured and named", async () => {
  const directory = temporaryDirectory("crash");
  const [folder, data, target] = [join(directory, "folder"), join(directory, "data"), join(directory, "target")];
  makeFolders(folder);
  mutate(folder, 300);
  const kept: Kept[] = [];
  const kills = scale(KILL_COUNT);
  for (let i = 0; i < kills; i++) {
    await liveAndDie(data, folder, kept);
    const check = rainbow(data, "check", "--read-data");
    assert.is(check.status, 0, `after kill ${i}: ${check.stdout.toString()}${check.stderr}`);
    mutate(folder, random.int(10));
    if (kept.length > 0) compare(data, folder, random.chance(0.5) ? kept.at(-1)! : random.pick(kept), target);
    if (i % 5 !== 4 && i !== kills - 1) continue;
    const up = await Up.start(data, [folder]);
    const flushed = rainbowJson(data, ["flush"]);
    const present = { revision: Number(flushed["revision"]), content: contentOf(folder) };
    kept.push(present);
    compare(data, folder, present, target);
    assert.is(await up.stop(), 0, up.output);
  }
  const gaps = rainbowLines(data, ["events"]).filter((line) => line["event"] === "GapOpened");
  assert.ok(
    gaps.some((line) => (line["data"] as { reason: string }).reason === "agent-away"),
    "the time without an agent is named",
  );
  const replay = rainbow(data, "replay", "--verify");
  assert.is(replay.status, 0, replay.stderr);
});

test.run();
