/** Our reading of filter rules against the server's: random rules over a tree of awkward names must leave the same list. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../src/core/index.ts";
import { Filters, openDigests, parseRule, rulesForPaths } from "../../src/rsync/index.ts";
import type { FilterRule } from "../../src/rsync/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import type { RsyncDaemon } from "../support/rsync-daemon.ts";
import { fetchAll } from "../support/rsync-fetch.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const root = temporaryDirectory("rsync-filters");
const digests = await openDigests();
const FILES = [
  "a",
  "b",
  "ab",
  "a.o",
  "b.o",
  "x.c",
  "foo",
  "foo.o",
  "a b",
  "a[b",
  "a*b",
  "a\\b",
  "-x",
  "a0",
  "a_",
  "d/a",
  "d/b.o",
  "d/d/a",
  "d/d/foo",
  "d/e/f/a.o",
  "d/e/f/g",
  "e/foo/a",
  "e/foo/x.c",
  "foo.d/a",
  "foo.d/foo/foo",
  "g/h/i/a",
  "g/h/i/b.o",
  "g/x.c",
];
let daemon: RsyncDaemon | undefined;

const test = suite("rsync: filters");

test.before(async () => {
  for (const name of FILES) {
    mkdirSync(join(root, "tree", dirname(name)), { recursive: true });
    writeFileSync(join(root, "tree", name), name);
  }
  const ruled: Readonly<Record<string, string>> = {
    ".rules": "# a comment\n- *.o\n+ foo\n",
    "d/.rules": "- /a\n+ b.o\n; another\n- g\n",
    "d/e/.rules": "!\n- f/a.o\n",
    "g/.rules": "exclude /h/i/a\n",
  };
  for (const [name, content] of Object.entries(ruled)) {
    mkdirSync(join(root, "ruled", dirname(name)), { recursive: true });
    writeFileSync(join(root, "ruled", name), content);
  }
  for (const name of FILES) {
    mkdirSync(join(root, "ruled", dirname(name)), { recursive: true });
    writeFileSync(join(root, "ruled", name), name);
  }
  if (hasCommand("rsync")) daemon = await startRsyncDaemon({ tree: { path: join(root, "tree") }, ruled: { path: join(root, "ruled") } });
});
test.after(() => daemon?.stop());

async function listed(
  module: string,
  filters: readonly FilterRule[],
  isIncremental = true,
): Promise<{ readonly path: ByteString; readonly isDirectory: boolean }[]> {
  const { entries } = await fetchAll(daemon!.port, { session: { module, filters, isIncremental }, wants: () => false }, digests);
  return entries.map(({ path, kind }) => ({ path, isDirectory: kind === "directory" })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

const PIECES = [
  "a",
  "b",
  "foo",
  "d",
  "e",
  "*",
  "**",
  "?",
  "/",
  "/",
  ".o",
  "*.o",
  "[ab]",
  "[!a]",
  "[[:digit:]_]",
  "\\*",
  "***",
  "x.c",
  "g",
  "h",
  " ",
  "[a-c]",
  "\\\\",
];

function randomRule(random: SeededRandom): FilterRule {
  if (random.chance(0.03)) return parseRule("!" as ByteString);
  let pattern = random.chance(0.4) ? "/" : "";
  const count = 1 + random.int(4);
  for (let i = 0; i < count; i++) pattern += random.pick(PIECES);
  if (random.chance(0.3)) pattern += random.pick(["/", "/***"]);
  const sign = random.pick(["-", "-", "+", "+", "H", "S", "P", "R", "-!", "+s"]);
  return parseRule(`${sign} ${pattern}` as ByteString);
}

test("random rules leave the list that the server leaves", async () => {
  if (!hasCommand("rsync")) return skipped("rsync: random filters", "rsync is not installed");
  const random = seededRandom(campaignSeed());
  const all = await listed("tree", []);
  for (let round = 0; round < scale(600); round++) {
    const rules = Array.from({ length: 1 + random.int(6) }, () => randomRule(random));
    const filters = Filters.atRoot(rules);
    const expected = all.filter(({ path, isDirectory }) => !filters.excludesPath(path, isDirectory)).map(({ path }) => path);
    const text = rules.map((rule) => rule.text).join("\n");
    const found = await listed("tree", rules, random.chance(0.5)).catch((error: unknown) => assert.unreachable(`${String(error)}\n${text}`));
    assert.equal(
      found?.map(({ path }) => path),
      expected,
      text,
    );
  }
});

test("rules per directory hold where they stand, inherited or not, in the order of the list", async () => {
  if (!hasCommand("rsync")) return skipped("rsync: filters per directory", "rsync is not installed");
  const all = await listed("ruled", []);
  const read = (path: ByteString): ByteString | undefined => {
    try {
      return readFileSync(join(root, "ruled", path), "latin1") as ByteString;
    } catch {
      return undefined; // Most directories have no rules.
    }
  };
  const sets = [
    [": .rules"],
    [":n .rules"],
    [":e .rules"],
    ["- b.o", ": .rules"],
    [": .rules", "- foo", "- a"],
    ["+ /a.o", ":en .rules", "- x.c"],
    ["dir-merge,s .rules"],
  ];
  for (const texts of sets) {
    const rules = texts.map((text) => parseRule(text as ByteString));
    const scopes = new Map<string, Filters>([["", Filters.atRoot(rules, read)]]);
    const isListed = ({ path, isDirectory }: { readonly path: ByteString; readonly isDirectory: boolean }): boolean => {
      if (path === ".") return true;
      const scope = scopes.get(path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "");
      if (scope === undefined || scope.excludes(path, isDirectory)) return false;
      if (isDirectory) scopes.set(path, scope.within(path));
      return true;
    };
    const expected = all.filter(isListed).map(({ path }) => path);
    assert.equal(
      (await listed("ruled", rules)).map(({ path }) => path),
      expected,
      texts.join(", "),
    );
  }
});

test("a list of paths becomes rules that let exactly these through", async () => {
  if (!hasCommand("rsync")) return skipped("rsync: rules for paths", "rsync is not installed");
  const rules = rulesForPaths(["a[b", "a*b", "a\\b", "d/e/f/g", "e/", "foo.o"].map((path) => path as ByteString));
  const found = (await listed("tree", rules)).map(({ path }) => path);
  assert.equal(found, [".", "a*b", "a[b", "a\\b", "d", "d/e", "d/e/f", "d/e/f/g", "e", "e/foo", "e/foo/a", "e/foo/x.c", "foo.o"]);
});

test("rules that cannot be understood say why", () => {
  for (const text of ["", "x", "-", "- ", "~ x", "-q x", "exclude", ":q x", `- ${"x".repeat(5000)}`])
    assert.throws(() => parseRule(text as ByteString), /cannot be understood/);
});

test("what is protected is kept by the receiver and listed by the sender", () => {
  const filters = Filters.atRoot([parseRule("P *.log" as ByteString), parseRule("H *.tmp" as ByteString)]);
  const path = (text: string): ByteString => text as ByteString;
  assert.equal([filters.excludes(path("a.log"), false), filters.excludes(path("a.log"), false, "receiver")], [false, true]);
  assert.equal([filters.excludes(path("a.tmp"), false), filters.excludes(path("a.tmp"), false, "receiver")], [true, false]);
});

test.run();
