/**
 * The past of a live folder: files change and two SQLite databases are under write load, all the while; random instants are restored.
 * What was quiet then equals the load's own record. Of what was in motion each settled file is a content that it really had, no older
 * than the flush before the instant; where database and journal are contents of one moment, SQLite finds the database whole.
 */
// Time limit: 600 s
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, isCampaign } from "../support/campaign.ts";
import { rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { seededRandom } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import type { LoadOrder } from "./main-job/database-load.ts";
import { FileStates } from "./main-job/file-states.ts";
import type { Span } from "./main-job/file-states.ts";
import { FolderLoad, hashOf } from "./main-job/folder-load.ts";
import type { Round } from "./main-job/folder-load.ts";
import { Recording } from "./power-cut/rebuild.ts";
import { buildShim, recordedEnvironment } from "./power-cut/shim.ts";

const INSTANT_COUNT = 20;
const ROUND_COUNT = isCampaign ? 60 : 12;
const CHANGES_PER_ROUND = 12;
const LOAD_MS_MAX = 300_000;
const random = seededRandom(campaignSeed());
const test = suite("the past of a live folder");

interface Database extends Omit<LoadOrder, "path" | "seed" | "msMax"> {
  readonly name: string;
}
/** One fits into a single reading of capture's, the others need several steps; the last one hardly ever rests. */
const DATABASES: readonly Database[] = [
  { name: "small", journal: "wal", rowCount: 15, rowBytes: 2000, pageBytes: 4096, pauseMsMax: 30, restChance: 0.02 },
  { name: "large", journal: "wal", rowCount: 1500, rowBytes: 2000, pageBytes: 4096, pauseMsMax: 30, restChance: 0.02 },
  { name: "old", journal: "delete", rowCount: 600, rowBytes: 2000, pageBytes: 4096, pauseMsMax: 30, restChance: 0.02 },
  { name: "restless", journal: "delete", rowCount: 20_000, rowBytes: 200, pageBytes: 512, pauseMsMax: 3, restChance: 0 },
];
const sideOf = ({ name, journal }: Database): string => `${name}.sqlite${journal === "wal" ? "-wal" : "-journal"}`;

/** A flush: what it made durable, and how far the recordings were before and after it. */
interface Flushed {
  readonly revision: number;
  readonly round: Round;
  readonly incomplete: string;
  readonly logBytesBefore: ReadonlyMap<string, number>;
  readonly logBytesAfter: ReadonlyMap<string, number>;
}

class Loads {
  private readonly directory: string;
  private readonly ends: (() => Promise<void>)[] = [];

  constructor(library: string, directory: string, logs: string) {
    this.directory = logs;
    mkdirSync(logs);
    for (const { name, ...load } of DATABASES) {
      const order: LoadOrder = { ...load, path: join(directory, `${name}.sqlite`), seed: random.int(2 ** 30), msMax: LOAD_MS_MAX };
      const child = spawn(process.execPath, [join(import.meta.dirname, "main-job/database-load.ts"), JSON.stringify(order)], {
        env: recordedEnvironment({ library, root: directory, log: this.logOf(name) }),
        stdio: ["ignore", "inherit", "inherit"],
      });
      const exited = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
      this.ends.push(async () => {
        child.kill("SIGTERM");
        assert.is(await exited, 0, `the load on ${name}`);
      });
    }
  }

  logOf(name: string): string {
    return join(this.directory, `${name}.log`);
  }

  logBytes(): Map<string, number> {
    return new Map(DATABASES.map(({ name }) => [name, existsSync(this.logOf(name)) ? statSync(this.logOf(name)).size : 0]));
  }

  async end(): Promise<void> {
    for (const end of this.ends.splice(0)) await end();
  }
}

function flush(data: string, round: Round, loads: Loads): Flushed {
  const logBytesBefore = loads.logBytes();
  const answer = rainbowJson(data, ["flush"], [0, 3]);
  const incomplete = (answer["incomplete"] as string[]).join("\n");
  return { revision: Number(answer["revision"]), round, incomplete, logBytesBefore, logBytesAfter: loads.logBytes() };
}

test("random instants of a folder in motion come back as contents that were", async () => {
  const directory = temporaryDirectory("main-job-past");
  const shim = buildShim(directory);
  if ("reason" in shim) return skipped("random instants of a folder in motion", shim.reason);
  const [folder, databases, data] = [join(directory, "folder"), join(directory, "databases"), join(directory, "data")] as const;
  for (const path of [folder, databases]) mkdirSync(path);
  const load = new FolderLoad(folder, random.fork(), 60);
  const loads = new Loads(shim.library, databases, join(directory, "logs"));
  const up = await Up.start(data, [folder, databases], { scanned: false });
  try {
    await up.until((status) => (status["roots"] as { firstScanDone: boolean }[]).every((root) => root.firstScanDone));
    const flushes = [flush(data, load.round(0), loads)];
    for (let i = 0; i < ROUND_COUNT; i++) {
      const round = load.round(CHANGES_PER_ROUND);
      await new Promise((done) => setTimeout(done, random.int(800))); // The databases go on; nothing rests on how long it is.
      flushes.push(flush(data, round, loads));
    }
    await loads.end();
    const past = new Past(directory, data, flushes, loads);
    for (let i = 0; i < INSTANT_COUNT; i++) past.compareFolder(folder, i);
    for (let i = 0; i < INSTANT_COUNT; i++) past.compareDatabases(databases, i);
    console.log(`\n${past.said()}`);
  } finally {
    await loads.end();
    assert.is(await up.stop(), 0, up.output);
  }
});

class Past {
  private readonly directory: string;
  private readonly data: string;
  private readonly flushes: readonly Flushed[];
  private readonly recordings: ReadonlyMap<string, Recording>;
  private readonly states: ReadonlyMap<string, FileStates>;
  private counts = { quiet: 0, inMotion: 0, settled: 0, unsettled: 0, together: 0, apart: 0, apartButWhole: 0 };

  constructor(directory: string, data: string, flushes: readonly Flushed[], loads: Loads) {
    this.directory = directory;
    this.data = data;
    this.flushes = flushes;
    const root = join(directory, "databases");
    this.recordings = new Map(DATABASES.map(({ name }) => [name, new Recording(loads.logOf(name), root)]));
    this.states = new Map(
      DATABASES.flatMap((each) =>
        [`${each.name}.sqlite`, sideOf(each)].map((file) => [file, new FileStates(this.recordings.get(each.name)!, join(root, file))]),
      ),
    );
  }

  said(): string {
    return JSON.stringify(this.counts);
  }

  /** Restores an instant between the first flush and the last. Returns it, the flush before it and the one after. */
  private restore(folder: string, what: string): { readonly to: string; readonly revision: number; readonly before: Flushed; readonly after: Flushed } {
    const [first, last] = [this.flushes[0]!.revision, this.flushes.at(-1)!.revision];
    const to = join(this.directory, what);
    const lines = rainbowLines(this.data, ["restore", folder, "--at", `r${first + random.int(last - first)}`, "--to", to], [0, 3]);
    const revision = Number(lines.find((line) => line["type"] === "as-of")!["revision"]);
    const next = this.flushes.findIndex((flushed) => flushed.revision > revision);
    return { to, revision, before: this.flushes[next - 1]!, after: this.flushes[next]! };
  }

  compareFolder(folder: string, i: number): void {
    const { to, revision, before, after } = this.restore(folder, `folder-${i}`);
    const restored = filesBelow(to);
    for (const path of new Set([...restored, ...before.round.after.keys(), ...after.round.touched])) {
      const content = restored.includes(path) ? readFileSync(join(to, path)) : undefined;
      if (after.round.touched.has(path)) {
        this.counts.inMotion += 1;
        assert.ok(after.round.allows(path, content), `r${revision} ${path}: a content that it never had`);
      } else {
        this.counts.quiet += 1;
        assert.is(content === undefined ? undefined : hashOf(content), before.round.after.get(path), `r${revision} ${path}, which was quiet`);
      }
    }
    rmSync(to, { recursive: true });
  }

  compareDatabases(folder: string, i: number): void {
    const { to, revision, before, after } = this.restore(folder, `databases-${i}`);
    const unsettled = new Set(
      rainbowLines(this.data, ["tree", folder, "--at", `r${revision}`], [0, 3]).flatMap((entry) =>
        entry["unsettled"] === true ? [String(entry["name"])] : [],
      ),
    );
    for (const database of DATABASES) {
      const file = `${database.name}.sqlite`;
      const spans = [file, sideOf(database)].map((name) => (unsettled.has(name) ? undefined : this.spansOf(database, name, { to, revision, before, after })));
      this.counts.unsettled += spans.filter((each) => each === undefined).length;
      this.counts.settled += spans.filter((each) => each !== undefined).length;
      if (spans[0] !== undefined && spans[1] !== undefined) this.check(database, to, spans[0], spans[1]);
    }
    rmSync(to, { recursive: true });
  }

  /** When the restored file's content was that of the file. */
  private spansOf({ name: database }: Database, name: string, at: ReturnType<Past["restore"]>): readonly Span[] {
    const path = join(at.to, name);
    const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    const spans = this.states.get(name)!.spansOf(content);
    const what = `r${at.revision} ${name} (${content.length} bytes)`;
    assert.ok(spans.length > 0, `${what}: settled, and a content that it never had`);
    const recording = this.recordings.get(database)!;
    const latest = recording.countAt(at.after.logBytesAfter.get(database)!) + 1; // One may have taken effect and not be recorded.
    const earliest = at.before.incomplete.includes(name) ? 0 : recording.countAt(at.before.logBytesBefore.get(database)!);
    const fitting = spans.filter((span) => span.from <= latest && span.to >= earliest);
    assert.ok(fitting.length > 0, `${what}: of records ${JSON.stringify(spans)}, and not of ${earliest} to ${latest}`);
    return fitting;
  }

  /** Two contents of one moment are what a process that was killed leaves: SQLite makes the database whole again. */
  private check({ name }: Database, to: string, main: readonly Span[], side: readonly Span[]): void {
    const isTogether = main.some((a) => side.some((b) => a.from < b.to && b.from < a.to));
    const copy = join(to, "copy");
    mkdirSync(copy, { recursive: true });
    for (const file of readdirSync(to)) if (file.startsWith(`${name}.`) && !file.endsWith("-shm")) copyFileSync(join(to, file), join(copy, file));
    const isWhole = isSound(join(copy, `${name}.sqlite`));
    if (isTogether) assert.ok(isWhole, `${name}: database and journal are of one moment, and SQLite does not find the database whole`);
    this.counts.together += isTogether ? 1 : 0;
    this.counts.apart += isTogether ? 0 : 1;
    this.counts.apartButWhole += !isTogether && isWhole ? 1 : 0;
    rmSync(copy, { recursive: true });
  }
}

function isSound(path: string): boolean {
  const database = new DatabaseSync(path);
  try {
    return database.prepare("pragma integrity_check").get()?.["integrity_check"] === "ok";
  } catch {
    return false; // Not even a database: the answer is the same.
  } finally {
    database.close();
  }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

test.run();
