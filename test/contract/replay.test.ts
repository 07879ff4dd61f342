// Time limit: 300 s
/** Replay for audit, from the outside: what was true at an instant, rebuilt from events beside the live projections and apart from them. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed } from "../support/campaign.ts";
import { end, Household, start } from "../support/cli.ts";
import { seededRandom } from "../support/random.ts";

const test = suite("replay for audit");
const home = new Household();
const file = (name: string): string => join(home.docs, name);
const folder = (name: string): string => join(home.base, name);

interface Replayed {
  readonly revision: number;
  readonly eventCount: number;
  readonly eventsPerSecond: number;
  readonly digest: string;
  readonly differenceCount: number;
}

async function replayed(...words: readonly string[]): Promise<Replayed> {
  const lines = (await home.ok(["replay", ...words, "--json"])).trimEnd().split("\n");
  const item = lines.map((line) => JSON.parse(line) as Replayed & { readonly type: string }).find(({ type }) => type === "replayed");
  if (item === undefined) throw new Error(`no replay: ${lines.join("\n")}`);
  return item;
}

/** What a command says of a replay that lies in a folder of its own. */
const inReplay = (name: string, ...words: readonly string[]): Promise<string> => home.ok([...words, "--data-dir", folder(name)]);

test.before(async () => {
  mkdirSync(file("sub/deep"), { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(file(`sub/deep/file-${i}`), `content ${i}\n`);
  writeFileSync(file("letter.txt"), "one\n");
  await home.startUp("docs");
  await home.ok(["snapshot", "first"]);
  writeFileSync(file("letter.txt"), "one two\n");
  renameSync(file("sub/deep"), file("moved"));
  rmSync(file("moved/file-7"));
  await home.ok(["flush"]);
  await home.ok(["snapshot", "second"]);
  writeFileSync(file("letter.txt"), "one two three\n");
  await home.ok(["flush"]);
});

test.after(async () => {
  await home.stopUp().catch(() => undefined); // Where a test failed before it was stopped.
  rmSync(home.docs, { recursive: true, force: true });
});

test("a replay up to an instant gives what the live projection gives, with a digest of all that was true then", async () => {
  const [first, second, now] = [await replayed("--to", "first"), await replayed("--to", "second"), await replayed("--verify")];
  for (const each of [first, second, now]) assert.equal([each.differenceCount, each.eventsPerSecond > 0], [0, true]);
  assert.ok(first.revision < second.revision && second.revision < now.revision);
  assert.is(new Set([first.digest, second.digest, now.digest]).size, 3);
  assert.is((await replayed("--to", `r${first.revision}`)).digest, first.digest);
  assert.match(await home.ok(["replay", "--to", "first"]), /events\/s\).*digest [0-9a-f]{64}\nthe replay gives what is there/);
});

test("a replay in a folder of its own answers for names, attributes and history, and borrows content", async () => {
  const head = (await home.ok(["audit", "head"])).trim().split(",")[1]!;
  const there = await replayed("--to", "first", "--into", folder("at-first"));
  assert.is(there.digest, (await replayed("--to", "first")).digest);
  const words = ["tree", home.docs, "--json"];
  const entries = (text: string): string[] => text.split("\n").filter((line) => line.includes('"type":"entry"'));
  assert.equal(entries(await inReplay("at-first", ...words)), entries(await home.ok([...words, "--at", "first"])));
  assert.is(await inReplay("at-first", "cat", file("letter.txt")), "one\n");
  assert.is(await inReplay("at-first", "log", file("letter.txt")).then((text) => text.trimEnd().split("\n").length), 1);
  assert.match(await inReplay("at-first", "audit", "--verify"), /history is whole/);
  await home.ok(["audit", "--verify", "--head", head, "--data-dir", folder("at-first")], 30); // It ends before the head of now.
  await replayed("--to", "second", "--into", folder("at-second"));
  const differs = await home.ok(["diff", `${home.docs}@first`, "--no-text", "--data-dir", folder("at-second")], 1);
  assert.match(differs, /letter\.txt/);
  assert.match(differs, /moved/);
});

test("nothing in a replay is changed, and it takes the place of nothing", async () => {
  const before = readFileSync(join(folder("at-first"), "FORMAT"), "utf8");
  for (const words of [["snapshot", "x"], ["policy", "set", "keep=1y"], ["rebase"], ["add", home.base]])
    assert.match((await home.run(...words, "--data-dir", folder("at-first"))).stderr, /is a replay of .*made to be read/, words.join(" "));
  assert.is((await home.run("up", "--data-dir", folder("at-first"))).exitCode, 2);
  await home.ok(["repair", "--data-dir", folder("at-first")], 2);
  assert.is(readFileSync(join(folder("at-first"), "FORMAT"), "utf8"), before);
  await home.ok(["replay", "--to", "first", "--into", folder("at-first")], 2);
  await home.ok(["replay", "--into", home.docs], 2);
  await home.ok(["replay", "--into", join(home.data, "inside")], 2);
  await home.ok(["replay", "--to", "r999999"], 2);
});

test("killed at any moment, the same command makes the replay whole", async () => {
  const random = seededRandom(campaignSeed());
  const words = ["replay", "--to", "second", "--into", folder("killed"), "-q"];
  for (let i = 0; i < 6; i++) {
    const child = start(words, { cwd: home.base, env: home.env });
    const ended = end(child);
    await Promise.race([ended, delay(random.int(600))]);
    child.kill(i % 2 === 0 ? "SIGKILL" : "SIGINT");
    const { exitCode } = await ended;
    assert.ok([0, 2, 130, null].includes(exitCode), `${exitCode}`); // 2: it was whole already.
  }
  for (;;) {
    const { exitCode, stderr } = await home.run(...words);
    if (exitCode === 0 || /has this replay already/.test(stderr)) break;
    assert.is(exitCode, 12, stderr); // The running host is still at what a killed command asked for.
    await delay(100);
  }
  assert.is(await inReplay("killed", "cat", file("letter.txt")), "one two\n");
  assert.match(await inReplay("killed", "audit", "--verify"), /history is whole/);
});

test("after a rebase a replay begins at the window's tree, and what is before it cannot be replayed", async () => {
  await home.ok(["rebase", "--to", "second"]);
  const { stderr } = await home.run("replay", "--to", "first");
  assert.match(stderr, /nothing can be replayed up to r\d+ \[INSTANT_OUTSIDE\]/);
  const atStart = await home.run("replay", "--to", "second", "--into", folder("at-start"));
  assert.is(atStart.exitCode, 1);
  assert.match(atStart.stderr, /the window's start, were given up[\s\S]*\[INSTANT_OUTSIDE\]/);
  assert.not(existsSync(folder("at-start")));
  const inMemory = await replayed("--verify");
  assert.is(inMemory.differenceCount, 0);
  const there = await replayed("--to", "now", "--into", folder("after-rebase"));
  assert.is(there.differenceCount, 0);
  assert.is(await inReplay("after-rebase", "cat", file("letter.txt")), "one two three\n");
  assert.is(await inReplay("after-rebase", "cat", `${file("letter.txt")}@second`), "one two\n");
  assert.match(await inReplay("after-rebase", "audit", "--verify"), /older events were let go/);
  await home.ok(["cat", file("letter.txt"), "--at", "first", "--data-dir", folder("after-rebase")], 1);
});

test("without the data directory that it was made of, a replay still has all but content", async () => {
  await home.stopUp();
  renameSync(home.data, folder("away"));
  assert.match(await inReplay("at-first", "ls", "-1", home.docs), /letter\.txt/);
  const { exitCode, stderr } = await home.run("cat", file("letter.txt"), "--data-dir", folder("at-first"));
  assert.is(exitCode, 2);
  assert.match(stderr, /a replay has names and attributes; content lies in .*data, which cannot be read/);
  assert.not.ok(existsSync(home.data), "and nothing is made in its place");
  renameSync(folder("away"), home.data);
});

test.run();
