// Time limit: 120 s
/** A configuration file from the outside: `up` protects its folders with its rules, sets its policy once, and both can be looked at. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Household } from "../support/cli.ts";

const test = suite("configuration file of the command line");
const home = new Household();
const file = join(home.base, "rainbow.json");
const configure = (exclude: readonly string[], keep: string): void =>
  writeFileSync(file, JSON.stringify({ roots: [{ path: home.docs, exclude }], policy: { keep, daily: 7 } }));

test("up protects what the file names, as the file says it, and later words go first", async () => {
  mkdirSync(join(home.docs, "sub"));
  for (const name of ["a.txt", "b.o", "c.tmp"]) writeFileSync(join(home.docs, name), name);
  configure(["*.o"], "90d");
  assert.match(await home.ok(["config", "check", "--config", file]), /rainbow\.json is right/);
  assert.match(await home.ok(["config", "show", "--config", file]), /without \*\.o[^]*policy: keep=90d daily=7/);
  await home.startUp("--config", file);
  assert.equal((await home.ok(["ls", "-1", "docs"])).trim().split("\n"), ["a.txt", "c.tmp", "sub"]);
  assert.match(await home.ok(["policy"]), /keep +90 d/);
  await home.stopUp();
  configure(["*.tmp"], "90d");
  await home.startUp("--config", file);
  assert.equal((await home.ok(["ls", "-1", "docs"])).trim().split("\n"), ["a.txt", "b.o", "sub"]);
  const events = await home.ok(["events", "--json"]);
  assert.is(events.match(/"PolicySet"/g)?.length, 1, "what is set already is not set again");
  await home.stopUp();
});

test("a file that is wrong stops the command before anything is done, and says where", async () => {
  writeFileSync(file, '{\n  "rots": []\n}');
  const answer = await home.run("ls", "docs", "--config", file);
  assert.is(answer.exitCode, 2);
  assert.match(answer.stderr, /rainbow\.json:2: unknown key 'rots'; known here are .* \[CONFIG_REFUSED\]/);
  configure(["*.o"], "1s");
  assert.is((await home.run("config", "check", "--config", file)).exitCode, 2);
});

test.run();
