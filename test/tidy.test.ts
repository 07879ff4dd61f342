/** The rules of good code that a machine can check. Each offence is printed as file:line; each rule is also shown a bad example first. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REPOSITORY } from "./runner/workspace.ts";
import { skipped } from "./support/skip.ts";
import { importOffences } from "./tidy/imports.ts";
import { ambientOffences, faceOffences, foreignOffences, lengthOffences, markOffences, nameOffences, suiteOffences, unusedOffences } from "./tidy/rules.ts";
import { sourceOf, type Offence, type Source } from "./tidy/source.ts";

const CODE = /\.(ts|cjs|mjs|cc|c|h|hh|cpp|hpp|sh)$/;
const BINARY = /\.(node|bin|png|gz|zst|dig|mdb|lmdb)$/;

const files: Source[] = repositoryFiles().map((path) => {
  const text = readFileSync(join(REPOSITORY, path), "utf8");
  return path.endsWith(".ts") ? sourceOf(path, text) : { path, text, code: text, bare: text, comments: text };
});
const sources = files.filter((file) => file.path.endsWith(".ts"));
const program = files.filter((file) => CODE.test(file.path));

/** What git has or would take; where git refuses (no repository, another owner), all that is neither installed nor built. */
function repositoryFiles(): string[] {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: REPOSITORY, encoding: "utf8" });
  const isLeftOut = (name: string): boolean => /^(\.git|node_modules|build|dist|coverage|\.set-up.*)$/.test(name);
  const paths = listed.status === 0 ? listed.stdout.split("\0") : globSync("**", { cwd: REPOSITORY, exclude: (entry) => isLeftOut(basename(entry)) });
  const isText = (path: string): boolean => existsSync(join(REPOSITORY, path)) && statSync(join(REPOSITORY, path)).isFile() && !BINARY.test(path);
  return [...new Set(paths)].filter((path) => path !== "" && isText(path)).sort();
}

function none(offences: readonly Offence[]): void {
  if (offences.length === 0) return;
  const error = new Error(`${offences.length} offences:\n${offences.map(({ path, line, what }) => `  ${path}:${line}: ${what}`).join("\n")}`);
  error.stack = ""; // It would show the list a second time.
  throw error;
}

/** `rule` finds exactly `expected` lines in a file of that text. */
function finds(rule: (source: Source) => Offence[], path: string, text: string, expected: readonly number[]): void {
  assert.equal(
    rule(sourceOf(path, text)).map((offence) => offence.line),
    expected,
    `${path}: ${text}`,
  );
}

const test = suite("tidy");

test("there are files to look at", () => assert.ok(sources.length > 10 && program.length > 10));

test("imports follow the arrows, adapters stay apart, folders are imported by their index.ts, and nothing runs in a circle", () => {
  none(importOffences(sources));
});

test("the import rule finds each kind of offence", () => {
  const offences = (path: string, text: string): string[] => {
    const others = ["src/dig/index.ts", "src/events/index.ts", "src/events/lmdb/index.ts", "src/objects/s3/index.ts", "src/core/a.ts", "src/core/index.ts"];
    return importOffences([sourceOf(path, text), ...others.filter((other) => other !== path).map((other) => sourceOf(other, "// Face."))]).map((o) => o.what);
  };
  const isFound = (path: string, target: string, what: RegExp): void => assert.match(offences(path, `import { x } from "${target}";`)[0] ?? "", what);
  isFound("src/core/a.ts", "../events/index.ts", /src\/core may not import src\/events/);
  isFound("src/dig/a.ts", "../events/index.ts", /src\/dig may not import src\/events/);
  isFound("src/cli/a.ts", "../events/index.ts", /src\/cli may not import/);
  isFound("src/projections/a.ts", "../actors/index.ts", /may not import src\/actors/);
  isFound("src/utopia/a.ts", "../core/index.ts", /no folder of the architecture/);
  isFound("src/events/a.ts", "../core/a.ts", /never deeper/);
  isFound("src/app/a.ts", "../events/lmdb/store.ts", /never deeper/);
  isFound("src/events/lmdb/a.ts", "../kurrent/index.ts", /may not import the adapter/);
  isFound("src/events/index.ts", "./lmdb/index.ts", /made only in src\/app/);
  isFound("src/actors/a.ts", "../events/lmdb/index.ts", /made only in src\/app/);
  assert.match(offences("src/core/a.ts", 'export { x } from "./index.ts";').join(), /^$/);
  const circle = [sourceOf("src/core/b.ts", 'import "./c.ts";'), sourceOf("src/core/c.ts", 'import { b } from "./b.ts";')];
  assert.match(importOffences(circle)[0]?.what ?? "", /closes a cycle/);
  assert.equal(offences("src/app/a.ts", 'import { x } from "../events/lmdb/index.ts";\nimport type { y } from "../dig/index.ts";'), []);
});

test("file names are kebab-case and say something", () => {
  none(files.flatMap(nameOffences));
  for (const path of ["src/core/fileList.ts", "src/core/utils.ts", "src/core/session-manager.ts", "src/helpers/a.ts"])
    assert.is(nameOffences({ path }).length, 1, path);
  assert.is(nameOffences({ path: "test/unit/core/list-index.test.ts" }).length, 0);
});

test("files have at most 500 lines", () => {
  none(program.flatMap(lengthOffences));
  assert.is(lengthOffences({ path: "a.ts", text: "\n".repeat(501) }).length, 1);
});

test("every index.ts opens with its duty in at most ten lines, and lists its exports by name", () => {
  none(sources.flatMap(faceOffences));
  finds(faceOffences, "src/dig/index.ts", "export const a = 1;\n", [1]);
  finds(faceOffences, "src/dig/index.ts", `/**\n${" * Line.\n".repeat(11)} */\n`, [1]);
  finds(faceOffences, "src/dig/index.ts", "// Duty.\nexport * from './a.ts';\n", [2]);
});

test("nothing is left for later without an issue number", () => {
  none(files.flatMap((file) => markOffences(file, file.comments)));
  const comments = (source: Source): Offence[] => markOffences(source, source.comments);
  finds(comments, "a.ts", ["// ", "TODO: it\n/* ", "FIXME */ const ", "TODO = 1;"].join(""), [1, 2]);
  finds(comments, "a.ts", ["// ", "TODO(#12): it\n"].join(""), []);
});

test("what is exported and used nowhere is found", () => {
  const used = sourceOf("src/dig/a.ts", "export const a = 1;\nexport function b() {}\n");
  const user = sourceOf("test/b.test.ts", "a + 1;\n// b\n");
  assert.equal(
    unusedOffences([used, user]).map(({ line }) => line),
    [2],
  );
});

test("nothing is exported that nothing uses", () => {
  if (!existsSync(join(REPOSITORY, "src/cli/main.ts"))) return skipped("unused exports", "the program has no entry yet, so its parts are not used yet");
  none(unusedOffences(sources));
});

test("time, chance, disk and network are handed in", () => {
  none(sources.flatMap(ambientOffences));
  const text =
    'import { readFileSync } from "node:fs";\nconst a = Date.now();\nsetTimeout(a, 1);\nconst b = `${Math.random()}`;\nconst c = "Date.now"; // Date.now\n';
  finds(ambientOffences, "src/dig/a.ts", text, [2, 3, 4, 1]);
  finds(ambientOffences, "src/app/a.ts", text, []);
  finds(ambientOffences, "src/events/lmdb/a.ts", text, []);
  finds(ambientOffences, "src/dig/a.ts", 'import type { Stats } from "node:fs";\nawait clock.setTimeout(1);\n', []);
});

test("no test hides others, and every suite is run", () => {
  none(sources.flatMap(suiteOffences));
  const head = 'import { suite } from "uvu";\n';
  finds(suiteOffences, "test/a.test.ts", `${head}const t = suite("a");\nt.only("x", () => {});\nt.run();\n`, [3]);
  finds(suiteOffences, "test/a.test.ts", `${head}const t = suite("a");\n// t.run();\n`, [2]);
});

test("nothing names a registry or a path of one machine", () => {
  none(files.flatMap((file) => foreignOffences(file, REPOSITORY)));
  const rule = (source: Source): Offence[] => foreignOffences(source, "/srv/checkout");
  finds(rule, "a.md", ["see /", "work/x\n", "and https://registry", ".example.org/\n/srv/checkout/a\n"].join(""), [1, 3, 2]);
});

test("strings, templates and regular expressions are told from code", () => {
  const { bare, comments } = sourceOf("a.ts", "const a = `x ${b + `// ${c}`} y`; // d\nconst e = /[/\"]/.test(f) ? g / h : '//';\n");
  assert.match(bare, /b \+/);
  assert.match(bare, /\bc\b/);
  assert.not.match(bare, /[xy]/);
  assert.match(bare, /\.test\(f\) \? g \/ h :/);
  assert.is(comments.trim(), "// d");
});

test.run();
