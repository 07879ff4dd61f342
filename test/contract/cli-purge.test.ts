// Time limit: 300 s
/** Purging from the outside: a file's content goes from all of history, other files' stays, and every command says what became of it. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Household } from "../support/cli.ts";

const test = suite("purge");
const home = new Household();
const file = (name: string): string => join(home.docs, name);
const SECRET = `the secret ${"is long enough to be found ".repeat(400)}`;
const SHARED = "content of two files ".repeat(500);

/** Bytes that no compression changes. */
const random = (seed: string): Buffer => Buffer.concat(Array.from({ length: 200 }, (_, i) => createHash("sha256").update(`${seed} ${i}`).digest()));
const KEY = random("key");
const KEY_OLDER = random("older key");

/** Whether the data file holds these bytes. */
function holds(bytes: Buffer): boolean {
  const machines = join(home.data, "machines");
  return readdirSync(machines).some((machine) => readFileSync(join(machines, machine, "data.dig")).includes(bytes));
}

test.before(async () => {
  mkdirSync(file("sub"));
  writeFileSync(file("key.txt"), KEY_OLDER);
  writeFileSync(file("sub/one.txt"), SHARED);
  writeFileSync(file("other.txt"), SHARED);
  writeFileSync(file("letter.txt"), "a letter\n");
  await home.startUp("docs");
  await home.ok(["snapshot", "first"]);
  writeFileSync(file("key.txt"), KEY);
  await home.ok(["flush"]);
  await home.ok(["snapshot", "second"]);
  renameSync(file("key.txt"), file("renamed.txt"));
  writeFileSync(file("sub/two.txt"), SECRET);
  await home.ok(["flush"]);
  await home.ok(["snapshot", "third"]);
});

test("what exists is refused, with where it lies now, and a dry run says what it concerns", async () => {
  const refused = await home.run("purge", "docs/key.txt", "--yes");
  assert.is(refused.exitCode, 2);
  assert.match(refused.stderr, /1 of these files exists now: '.*docs\/renamed\.txt'.*--keep-current \[PURGE_REFUSED\]/);
  const plan = await home.run("purge", "docs/key.txt", "docs/sub", "--dry-run");
  assert.is(plan.exitCode, 0);
  assert.match(plan.stderr + plan.stdout.toString(), /key\.txt: 1 file ever lay there[^]*docs\/sub: 2 files ever lay there[^]*3 exist now/);
  assert.is((await home.run("purge", "docs/letter.txt")).exitCode, 2, "nobody to ask");
  assert.is((await home.run("purge", "docs/never", "--yes")).exitCode, 1);
  assert.ok((await home.run("cat", "docs/key.txt@first")).stdout.equals(KEY_OLDER));
});

test("a purged file answers that it was purged, under every name it had, and its bytes are gone from the data file", async () => {
  assert.ok(holds(KEY) && holds(KEY_OLDER), "else this test would show nothing");
  rmSync(file("renamed.txt"));
  const done = await home.run("purge", "docs/key.txt", "--yes", "--json");
  assert.is(done.exitCode, 0, done.stderr);
  const item = done.stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .find(({ type }) => type === "purged")!;
  assert.equal([item["fileCount"], item["isFinished"]], [1, true]);
  for (const [name, at] of [
    ["key.txt", "first"],
    ["key.txt", "second"],
    ["renamed.txt", "third"],
  ]) {
    const answer = await home.run("cat", `docs/${name}@${at}`);
    assert.is(answer.exitCode, 1);
    assert.match(
      answer.stderr,
      new RegExp(`the content of '${name}' at r\\d+ was purged on \\S+Z \\(r${Number(item["revision"])}\\): only its name is still there \\[PURGED\\]`),
    );
  }
  assert.not.ok(holds(KEY));
  assert.not.ok(holds(KEY_OLDER));
  assert.is(await home.ok(["cat", "docs/letter.txt@first"]), "a letter\n");
});

test("ls, log, deleted and diff say so, and restore leaves it out", async () => {
  assert.match(await home.ok(["ls", "docs@first"]), /key\.txt {2}\(purged\)\n/);
  const entries = (await home.ok(["ls", "docs@first", "--json"]))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; purged: { revision: number } | null });
  assert.equal(
    entries.filter(({ purged }) => purged !== undefined && purged !== null).map(({ name }) => name),
    ["key.txt"],
  );
  assert.match(await home.ok(["log", "docs/renamed.txt"]), /\(purged\)/);
  assert.match(await home.ok(["deleted", "docs"]), /renamed\.txt {2}\(last in r\d+\) {2}\(purged\)/);
  assert.match(await home.ok(["diff", "docs/key.txt@first", "docs/key.txt@second"], 1), /^M .*key\.txt\n$/);
  const restored = await home.run("restore", "docs", "--at", "second", "--to", "back");
  assert.is(restored.exitCode, 3);
  assert.match(restored.stderr, /back\/key\.txt: left out: its content was purged \(r\d+\)/);
  assert.match(restored.stdout.toString() + restored.stderr, /1 left out as purged/);
  assert.not.ok(existsSync(join(home.base, "back/key.txt")));
  assert.is(readFileSync(join(home.base, "back/other.txt"), "utf8"), SHARED);
});

test("a folder's purge keeps what other files share, and with --keep-current what exists", async () => {
  const done = await home.run("purge", "docs/sub", "--yes", "--keep-current");
  assert.is(done.exitCode, 0, done.stderr);
  assert.match(done.stdout.toString() + done.stderr, /2 files purged .*names, sizes and times stay listed/s);
  assert.is((await home.run("cat", "docs/sub/one.txt@third")).exitCode, 1);
  assert.is(await home.ok(["cat", "docs/other.txt@first"]), SHARED);
  assert.is(await home.ok(["cat", "docs/sub/two.txt"]), SECRET);
  writeFileSync(file("sub/two.txt"), `${SECRET}and more`);
  await home.ok(["flush"]);
  assert.is(await home.ok(["cat", "docs/sub/two.txt"]), `${SECRET}and more`, "the agent goes on from what is there");
});

test("check and a replay find nothing wrong, before and after a repair without the control file", async () => {
  assert.match(await home.ok(["check", "--read-data"]), /no problem/);
  await home.ok(["replay", "--verify"]);
  await home.stopUp();
  const machines = join(home.data, "machines");
  for (const machine of readdirSync(machines)) rmSync(join(machines, machine, "control.lmdb"));
  await home.ok(["repair"]);
  assert.match(await home.ok(["check", "--read-data"]), /no problem/);
  assert.is((await home.run("cat", "docs/key.txt@first")).exitCode, 1);
  assert.is(await home.ok(["cat", "docs/other.txt@first"]), SHARED);
  assert.is(await home.ok(["cat", "docs/sub/two.txt"]), `${SECRET}and more`);
});

test.run();
