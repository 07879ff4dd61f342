/**
 * kill -9 while the window moves: rebases, snapshots and drops run against changing files and are killed at random moments. After each
 * kill every kept snapshot and every flushed instant of the window is restored and compared, older ones are refused, and the stores are
 * whole; now and then the control file is lost as well.
 */
import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { RAINBOW, rainbow, rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { temporaryDirectory } from "../support/temp.ts";

const KILLS = 40;
const KILL_MS_MAX = 700; // A rebase of this size takes about half of it.
const OUTSIDE = 1; // Exit code of INSTANT_OUTSIDE.
const random = seededRandom(campaignSeed());
const test = suite("rebase under fire");

interface Instant {
  readonly revision: number;
  readonly content: ReadonlyMap<string, string>;
}

function contentOf(directory: string): ReadonlyMap<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(directory.length + 1), readFileSync(path, "latin1")]));
}

function mutate(folder: string): void {
  for (let i = 0; i < 25; i++) {
    const names = readdirSync(folder);
    const [kind, name] = [names.length < 15 ? 0 : random.int(5), join(folder, names.length === 0 ? "f" : random.pick(names))];
    if (kind < 2) writeFileSync(join(folder, `f${random.int(40)}`), random.bytes(random.int(200_000)));
    else if (kind === 2) appendFileSync(name, random.bytes(random.int(50_000)));
    else if (kind === 3) renameSync(name, join(folder, `f${random.int(40)}`));
    else rmSync(name);
  }
}

class Siege {
  readonly data: string;
  readonly folder: string;
  private readonly target: string;
  private readonly flushed: Instant[] = [];
  private readonly named = new Map<string, Instant>();
  private count = 0;

  constructor(directory: string) {
    [this.data, this.folder, this.target] = [join(directory, "data"), join(directory, "folder"), join(directory, "target")];
    mkdirSync(this.folder);
  }

  /** Changes, flushes, names some of it; then a rebase runs and is killed with all else. */
  async round(): Promise<void> {
    const up = await Up.start(this.data, [this.folder]);
    for (let i = 0; i < 2; i++) {
      mutate(this.folder);
      const { revision } = rainbowJson(this.data, ["flush"]);
      const instant = { revision: Number(revision), content: contentOf(this.folder) };
      this.flushed.push(instant);
      const name = `s${this.count++}`;
      if (random.chance(0.5) && rainbow(this.data, "snapshot", name, "--at", `r${instant.revision}`).status === 0) this.named.set(name, instant);
    }
    const victim = this.named.size > 3 ? random.pick([...this.named.keys()]) : undefined;
    if (victim !== undefined && rainbow(this.data, "snapshots", "drop", victim).status === 0) this.named.delete(victim);
    const to = random.pick(this.flushed.slice(-4));
    const rebase = spawn(RAINBOW, ["rebase", "--to", `r${to.revision}`, "--data-dir", this.data], { stdio: "ignore" });
    mutate(this.folder);
    await new Promise((done) => setTimeout(done, random.int(KILL_MS_MAX)));
    await up.kill();
    rebase.kill("SIGKILL");
  }

  loseControlFile(): void {
    for (const machine of readdirSync(join(this.data, "machines"))) rmSync(join(this.data, "machines", machine, "control.lmdb"));
    const outcome = rainbow(this.data, "repair");
    assert.is(outcome.status, 0, outcome.stderr + outcome.stdout.toString());
  }

  compareAll(): void {
    const check = rainbow(this.data, "check", "--read-data");
    assert.is(check.status, 0, check.stdout.toString() + check.stderr);
    const names = rainbowLines(this.data, ["snapshots"]).map((line) => String(line["name"]));
    for (const [name, instant] of this.named) {
      assert.ok(names.includes(name), `snapshot ${name} is there`);
      this.compare(name, instant);
    }
    const { windowRevision } = rainbowJson(this.data, ["retention"]);
    for (const instant of this.flushed.slice(-4)) {
      if (instant.revision >= Number(windowRevision)) this.compare(`r${instant.revision}`, instant);
      else if (![...this.named.values()].includes(instant))
        assert.is(rainbow(this.data, "ls", this.folder, "--at", `r${instant.revision}`).status, OUTSIDE, `r${instant.revision} is refused`);
    }
  }

  private compare(at: string, { content }: Instant): void {
    const outcome = rainbow(this.data, "restore", this.folder, "--at", at, "--to", this.target);
    assert.is(outcome.status, 0, `${at}: ${outcome.stderr}`);
    const restored = contentOf(this.target);
    assert.equal([...restored.keys()], [...content.keys()], at);
    for (const [path, bytes] of content) assert.ok(restored.get(path) === bytes, `${path} at ${at}`);
    rmSync(this.target, { recursive: true });
  }
}

test("every kept snapshot and instant survives kills while the window moves, and older ones are refused", async () => {
  const siege = new Siege(temporaryDirectory("siege"));
  for (let i = 0; i < scale(KILLS); i++) {
    await siege.round();
    if (random.chance(0.25)) siege.loseControlFile();
    siege.compareAll();
  }
  const rebase = rainbow(siege.data, "rebase", "--to", "now");
  assert.is(rebase.status, 0, rebase.stderr);
  siege.compareAll();
  const replay = rainbow(siege.data, "replay", "--verify");
  assert.is(replay.status, 0, replay.stdout.toString() + replay.stderr);
});

test.run();
