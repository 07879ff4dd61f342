// Time limit: 300 s
/** The main job from the outside: protect a folder, change it, and go back, by the commands as a user types them. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Household } from "../support/cli.ts";
import { hasCommand } from "../support/skip.ts";

const test = suite("command line");
const home = new Household();
const file = (name: string): string => join(home.docs, name);

test.before(async () => {
  mkdirSync(file("sub"));
  writeFileSync(file("letter.txt"), "one\n");
  writeFileSync(file("sub/deep.bin"), Buffer.alloc(200_000, 7));
  writeFileSync(file("größe \u{1f308}.txt"), "names\n");
  symlinkSync("letter.txt", file("link"));
  utimesSync(file("sub"), 1_600_000_000, 1_600_000_000.25);
  await home.startUp("docs");
});

test.after(async () => {
  rmSync(home.docs, { recursive: true, force: true });
});

test("status says that it protects, and a second up on the same data directory is busy", async () => {
  assert.match(await home.ok(["status"]), /state: +protecting/);
  const second = await home.run("up");
  assert.is(second.exitCode, 12, second.stderr);
});

test("ls, tree, cat and find show what is there", async () => {
  assert.equal((await home.ok(["ls", "-1", "docs"])).trimEnd().split("\n").sort(), ["größe \u{1f308}.txt", "letter.txt", "link", "sub"].sort());
  assert.match(await home.ok(["tree", "docs"]), /\n {2}sub\/\n {4}deep\.bin\n/);
  assert.is(await home.ok(["cat", "docs/letter.txt"]), "one\n");
  assert.is(await home.ok(["find", "*.bin"]), `${file("sub/deep.bin")}\n`);
  await home.ok(["find", "nothing*"], 1);
  await home.ok(["cat", "docs/missing"], 1);
  await home.ok(["ls", "/proc"], 2);
});

test("an instant before a folder was protected says since when it is, and that instant has it", async () => {
  const early = await home.run("cat", "docs/letter.txt@r0");
  assert.is(early.exitCode, 2);
  const first = /was not protected yet at r0: .* is since \S+Z, and r(\d+) is the first instant that has it \[NOT_PROTECTED\]/.exec(early.stderr)?.[1];
  assert.ok(first, early.stderr);
  const listed = await home.run("ls", "-1", "docs", "--at", `r${first}`);
  assert.ok(listed.exitCode === 0 || listed.exitCode === 3, listed.stderr); // 3: within the first scan.
  assert.match((await home.run("cat", "/elsewhere/x@r0")).stderr, /lies below no folder that was protected at r0/);
});

test("after a change and a flush both the old and the new can be read", async () => {
  await home.ok(["snapshot", "before"]);
  writeFileSync(file("letter.txt"), "one\ntwo\n");
  renameSync(file("sub/deep.bin"), file("sub/moved.bin"));
  rmSync(file("link"));
  await home.ok(["flush"]);
  assert.is(await home.ok(["cat", "docs/letter.txt@before"]), "one\n");
  assert.is(await home.ok(["cat", "docs/letter.txt"]), "one\ntwo\n");
  assert.is(await home.ok(["ls", "-1", "docs/sub@before"]), "deep.bin\n");
  assert.is(await home.ok(["ls", "-1", "docs/sub"]), "moved.bin\n");
  const { stderr } = await home.run("ls", "docs", "--at", "before");
  assert.match(stderr, /^as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+08:00 \(r\d+\)$/m);
});

test("an instant can be named by its time and by its revision", async () => {
  const [line = "{}"] = (await home.ok(["snapshots", "--json"])).split("\n");
  const { revision, time } = JSON.parse(line) as { readonly revision: number; readonly time: string };
  assert.is(await home.ok(["cat", `docs/letter.txt@r${revision}`]), "one\n");
  assert.is(await home.ok(["cat", "docs/letter.txt", "--at", time]), "one\n");
  assert.is((await home.run("ls", "docs@2100-01-01")).exitCode, 2);
  assert.is((await home.run("ls", "docs@5000d")).exitCode, 1);
});

test("log, diff and deleted tell what happened", async () => {
  const log = await home.ok(["log", "docs/letter.txt"]);
  assert.ok(log.trimEnd().split("\n").length >= 2, log);
  assert.match(await home.ok(["log", "docs/sub/moved.bin"]), /deep\.bin/);
  const diff = await home.ok(["diff", "docs@before"], 1);
  assert.match(diff, /letter\.txt/);
  assert.match(diff, /^\+two$/m);
  assert.match(diff, /moved\.bin/);
  await home.ok(["diff", "docs/sub@now"], 0);
  assert.match(await home.ok(["deleted"]), /docs\/link/);
});

test("undelete brings back what was deleted, and never over a file", async () => {
  await home.ok(["undelete", "docs/link"]);
  assert.is(readFileSync(file("link"), "utf8"), "one\ntwo\n");
  const again = await home.run("undelete", "docs/link");
  assert.ok(again.exitCode === 1 || again.exitCode === 2, `${again.exitCode}`);
});

test("restore gives the folder as it was, with all metadata", async () => {
  const target = join(home.base, "out");
  await home.ok(["restore", "docs@before", "--to", "out"]);
  assert.is(readFileSync(join(target, "letter.txt"), "utf8"), "one\n");
  assert.ok(existsSync(join(target, "sub/deep.bin")));
  await home.ok(["restore", "docs@before", "--to", "out"], 2);
  await home.ok(["restore", "docs@before", "--to", "out", "--overwrite"]);
  await home.ok(["flush"]);
  await home.ok(["restore", "docs", "--to", "present"]);
  if (!hasCommand("rsync")) return;
  const words = ["-aHAXn", "--checksum", "--delete", "--itemize-changes", `${home.docs}/`, `${join(home.base, "present")}/`];
  assert.is(execFileSync("rsync", words, { encoding: "utf8" }), "");
});

test("restore --to - streams a file, and a file goes into a folder", async () => {
  assert.is(await home.ok(["restore", "docs/letter.txt@before", "--to", "-"]), "one\n");
  mkdirSync(join(home.base, "box"));
  await home.ok(["restore", "docs/letter.txt@before", "--to", "box"]);
  assert.is(readFileSync(join(home.base, "box/letter.txt"), "utf8"), "one\n");
});

test("restore --delete asks, and --in-place prints the command that undoes it", async () => {
  writeFileSync(file("new.txt"), "new\n");
  await home.ok(["flush"]);
  const words = ["restore", "docs@before", "--in-place", "--delete"];
  await home.ok(words, 2);
  assert.ok(existsSync(file("new.txt")));
  const done = await home.run(...words, "--yes");
  assert.is(done.exitCode, 0, done.stderr);
  assert.equal([existsSync(file("new.txt")), readFileSync(file("letter.txt"), "utf8")], [false, "one\n"]);
  const undo = /to undo it: (.*)/.exec(done.stderr)?.[1] ?? "";
  execFileSync("sh", ["-c", `${undo} --yes`], { env: { ...process.env, ...home.env }, stdio: "pipe" });
  assert.equal([readFileSync(file("new.txt"), "utf8"), readFileSync(file("letter.txt"), "utf8")], ["new\n", "one\ntwo\n"]);
});

test("a folder can be added while it runs, and removed with its history kept", async () => {
  const other = join(home.base, "other");
  mkdirSync(other);
  writeFileSync(join(other, "x"), "x\n");
  assert.match(await home.ok(["up", "other"]), /runs already and protects/);
  await home.ok(["flush"]);
  assert.is(await home.ok(["cat", "other/x"]), "x\n");
  await home.ok(["snapshot", "with-other"]);
  await home.ok(["remove", "other"]);
  assert.not.match(await home.ok(["roots"]), /other/);
  assert.is(await home.ok(["cat", "other/x@with-other"]), "x\n");
});

test("the store is whole, and its projections can be rebuilt", async () => {
  await home.ok(["check"]);
  await home.ok(["check", "--read-data"]);
  await home.ok(["replay", "--verify"]);
  assert.match(await home.ok(["events", "-n", "5"]), /^r0 .*MachineEnrolled/);
  await home.ok(["repair"], 12);
});

test("Ctrl-C, twice within a moment as under npm, ends up with 0, and everything can be read without it", async () => {
  const up = await home.stopUp("SIGINT", 2);
  assert.is(up.exitCode, 0, up.stderr);
  assert.match(up.stdout.toString(), /data directory: /);
  assert.match(up.stdout.toString(), /the initial backup of .* is done/);
  assert.is((await home.run("status")).exitCode, 11);
  assert.is((await home.run("flush")).exitCode, 11);
  const answer = await home.run("cat", "docs/letter.txt@before");
  assert.equal([answer.stdout.toString(), answer.exitCode], ["one\n", 0], answer.stderr);
  assert.match(await home.ok(["roots"]), /docs/);
  await home.ok(["check", "--read-data"]);
});

test("up without folders protects those known, and finds what changed meanwhile", async () => {
  writeFileSync(file("letter.txt"), "meanwhile\n");
  await home.startUp();
  assert.is(await home.ok(["cat", "docs/letter.txt"]), "meanwhile\n");
  const up = await home.stopUp("SIGTERM");
  assert.is(up.exitCode, 0, up.stderr);
});

test.run();
