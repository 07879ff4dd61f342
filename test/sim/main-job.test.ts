/**
 * The main job on real input: a git repository under change and a live SQLite database under write load are protected; flushed instants
 * of the repository, and the present of both, equal an independent record. Instants in between, and of the database: main-job-past.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { rainbow, rainbowJson, Up } from "../support/rainbow-process.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const INSTANT_COUNT = 20;
const random = seededRandom(campaignSeed());
const test = suite("the main job");

interface Instant {
  readonly revision: number;
  readonly files: ReadonlyMap<string, string>;
}

function git(repository: string, ...words: string[]): void {
  const { status, stderr } = spawnSync("git", ["-C", repository, "-c", "user.name=t", "-c", "user.email=t@localhost", ...words]);
  if (status !== 0) throw new Error(`git ${words.join(" ")}: ${stderr.toString()}`);
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const record = (directory: string): Map<string, string> => new Map(filesBelow(directory).map((path) => [path, hashOf(join(directory, path))]));

function change(repository: string, round: number): void {
  const sources = filesBelow(repository).filter((path) => !path.startsWith(".git/"));
  for (let i = 0; i < 6; i++) {
    const path = join(repository, random.pick(sources));
    const kind = random.int(5);
    if (kind === 0) writeFileSync(join(repository, `new-${round}-${i}.txt`), random.bytes(random.int(30_000)));
    else if (kind === 1 && spawnSync("test", ["-f", path]).status === 0) appendFileSync(path, `line ${round}\n`);
    else if (kind === 2 && spawnSync("test", ["-f", path]).status === 0) renameSync(path, `${path}.moved${round}`);
    else if (kind === 3 && sources.length > 40) rmSync(path, { force: true });
    else writeFileSync(path, random.bytes(random.int(200_000)));
  }
  if (round % 4 === 1) {
    git(repository, "add", "-A");
    git(repository, "commit", "-qm", `round ${round}`);
  }
}

function makeRepository(directory: string): string {
  const repository = join(directory, "repository");
  for (let i = 0; i < 60; i++) {
    mkdirSync(join(repository, `d${i % 7}`, `e${i % 3}`), { recursive: true });
    writeFileSync(join(repository, `d${i % 7}`, `e${i % 3}`, `file ${i}.txt`), random.bytes(random.int(20_000)));
  }
  git(directory, "init", "-q", "repository");
  git(repository, "add", "-A");
  git(repository, "commit", "-qm", "first");
  return repository;
}

/** A child that keeps inserting in small transactions until it is told to end. */
function startDatabaseLoad(path: string): { end: () => Promise<void> } {
  const database = new DatabaseSync(path);
  database.exec("create table rows (id integer primary key, text text)");
  database.close();
  const script = `import { DatabaseSync } from "node:sqlite"; const d = new DatabaseSync(process.argv[1]); let end = false;
    process.on("SIGTERM", () => { end = true; }); const i = d.prepare("insert into rows (text) values (?)");
    const step = () => { if (end) { d.close(); process.exit(0); } d.exec("begin"); for (let k = 0; k < 20; k++) i.run("x".repeat(500)); d.exec("commit"); setTimeout(step, 5); }; step();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path], { stdio: "ignore" });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  return {
    end: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

test("random instants and the present of a repository and a live database come back as they were", async () => {
  const directory = temporaryDirectory("main-job");
  const repository = makeRepository(directory);
  const databases = join(directory, "databases");
  mkdirSync(databases);
  const load = startDatabaseLoad(join(databases, "live.sqlite"));
  const data = join(directory, "data");
  const up = await Up.start(data, [repository, databases], { scanned: false });
  try {
    await up.until((status) => (status["roots"] as { path: string; firstScanDone: boolean }[]).some((root) => root.path === repository && root.firstScanDone));
    const instants = takeInstants(data, repository);
    await load.end();
    compareInstants(data, repository, instants, join(directory, "then"));
    comparePresent(data, [repository, databases], join(directory, "now"));
    compareDatabase(join(databases, "live.sqlite"), join(directory, "now", "databases", "live.sqlite"));
    const check = rainbow(data, "check", "--read-data");
    assert.is(check.status, 0, check.stderr);
  } finally {
    await load.end();
    assert.is(await up.stop(), 0, up.output);
  }
});

function takeInstants(data: string, repository: string): Instant[] {
  const instants: Instant[] = [];
  for (let round = 0; round < INSTANT_COUNT; round++) {
    change(repository, round);
    const answer = rainbowJson(data, ["flush"], [0, 3]); // 3: the live database does not rest.
    instants.push({ revision: Number(answer["revision"]), files: record(repository) });
  }
  return instants;
}

function compareInstants(data: string, repository: string, instants: readonly Instant[], target: string): void {
  mkdirSync(target);
  for (const { revision, files } of instants) {
    const to = join(target, String(revision));
    const outcome = rainbow(data, "restore", repository, "--at", `r${revision}`, "--to", to);
    assert.is(outcome.status, 0, outcome.stderr);
    assert.equal([...record(to)], [...files], `r${revision}`);
    rmSync(to, { recursive: true });
  }
}

function comparePresent(data: string, folders: readonly string[], target: string): void {
  mkdirSync(target);
  assert.is(rainbow(data, "flush").status, 0);
  for (const folder of folders) {
    const to = join(target, folder.slice(folder.lastIndexOf("/") + 1));
    const outcome = rainbow(data, "restore", folder, "--to", to);
    assert.is(outcome.status, 0, outcome.stderr);
    if (!hasCommand("rsync")) {
      skipped("rsync", "not installed: the present is compared by content alone");
      assert.equal([...record(to)], [...record(folder)]);
      continue;
    }
    const { stdout, status } = spawnSync("rsync", ["-aHAXn", "--checksum", "--delete", "--itemize-changes", `${folder}/`, `${to}/`]);
    assert.is(status, 0);
    assert.is(stdout.toString(), "");
  }
}

function compareDatabase(original: string, restored: string): void {
  const rowsOf = (path: string): unknown => {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      assert.equal({ ...database.prepare("pragma integrity_check").get() }, { integrity_check: "ok" });
      return { ...database.prepare("select count(*) as n, max(id) as last from rows").get() };
    } finally {
      database.close();
    }
  };
  assert.equal(rowsOf(restored), rowsOf(original));
  assert.is(statSync(restored).size, statSync(original).size);
}

test.run();
