/** What `add`, `excludes` and their options do with the rules of protected folders. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Entry, Operations } from "../../../src/app/index.ts";
import { PROTECTED, rainbow, root } from "./fake-context.ts";

const test = suite("commands of protected folders");

test("excludes --drop takes a rule away, and names the folder's where there is none such", async () => {
  const asked: unknown[] = [];
  const addRoot: Operations["addRoot"] = async ({ path, options }) => {
    asked.push([path, options.rules]);
    return root(path, { options });
  };
  const operations = { addRoot, roots: async () => [root(PROTECTED, { options: { crossMounts: false, rules: ["*.o", "tmp"], fileBytesMax: 9 } })] };
  assert.is((await rainbow(["excludes", "--drop", "*.o"], { operations })).exitCode, 0);
  assert.equal(asked, [[PROTECTED, ["tmp"]]]);
  assert.match((await rainbow(["excludes", "--drop", "none"], { operations })).stderr, /has no rule 'none'.*\[NOT_FOUND\]/);
});

test("add makes no data directory that only a mistyped name asked for", async () => {
  const operations = { addRoot: async ({ path }: { readonly path: Entry["path"] }) => root(path) };
  const mistyped = await rainbow(["add", ".", "--data-dir", "/dta", "--quiet"], { operations, isDataDirectory: false });
  assert.is(mistyped.exitCode, 10);
  assert.match(mistyped.stderr, /\/dta: there is no Rainbow data directory there; --create makes one/);
  assert.is((await rainbow(["add", ".", "--data-dir", "/dta", "--create"], { operations, isDataDirectory: false })).exitCode, 0);
  assert.is((await rainbow(["add", "."], { operations, isDataDirectory: false })).exitCode, 0, "the one that is chosen where nothing is said");
});

test("add adds to the options of a folder that is known, and replaces them where that is asked", async () => {
  const asked: unknown[] = [];
  const addRoot: Operations["addRoot"] = async ({ path, options }) => {
    asked.push([path, options.rules, options.fileBytesMax]);
    return root(path, { options });
  };
  const operations = { addRoot, roots: async () => [root(PROTECTED, { options: { crossMounts: false, rules: ["*.o"], fileBytesMax: 9 } })] };
  await rainbow(["add", "."], { operations });
  await rainbow(["add", ".", "--exclude", "tmp", "--exclude", "*.o", "--max-file-size", "1.5G"], { operations });
  await rainbow(["add", ".", "--exclude", "tmp", "--replace"], { operations });
  assert.equal(asked, [
    [PROTECTED, ["*.o"], 9],
    [PROTECTED, ["*.o", "tmp"], 1.5 * 2 ** 30],
    [PROTECTED, ["tmp"], 0],
  ]);
  const missing = await rainbow(["add", "nothing"], { operations });
  assert.is(missing.exitCode, 2);
  assert.match(missing.stderr, /does not exist.*\[ROOT_REFUSED\]/);
});

test.run();
