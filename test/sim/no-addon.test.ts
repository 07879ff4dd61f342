/** The main job without the addon, as on a machine without a C++ compiler: the product runs from a copy of its sources that has none. */
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REPOSITORY } from "../runner/workspace.ts";
import { campaignSeed } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const TRIES_MAX = 600;
const random = seededRandom(campaignSeed());
const test = suite("without the addon");

/** The command line of a copy without native/, on one data directory. */
class Copy {
  private readonly main: string;
  private readonly data: string;
  private readonly env: NodeJS.ProcessEnv;

  constructor(base: string) {
    const home = join(base, "copy");
    cpSync(join(REPOSITORY, "src"), join(home, "src"), { recursive: true });
    cpSync(join(REPOSITORY, "package.json"), join(home, "package.json"));
    symlinkSync(join(REPOSITORY, "node_modules"), join(home, "node_modules"));
    this.main = join(home, "src/cli/main.ts");
    this.data = join(base, "data");
    this.env = { ...process.env };
    for (const name of ["RAINBOW_DATA_DIR", "INIT_CWD", "npm_lifecycle_event"]) delete this.env[name];
  }

  run(...words: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.main, ...words, "--data-dir", this.data], { env: this.env, encoding: "utf8" });
    return { status, stdout, stderr };
  }

  /** Runs `up` around `action`. */
  async whileUp(folder: string, action: () => Promise<void>): Promise<string> {
    const child = spawn(process.execPath, [this.main, "up", folder, "--data-dir", this.data], { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()));
    const exited = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
    try {
      await this.until("everything was scanned", () => this.run("status", "--json").stdout.includes('"firstScanDone":true'));
      await action();
    } finally {
      child.kill("SIGINT");
      assert.is(await exited, 0, output);
    }
    return output;
  }

  async until(what: string, reached: () => boolean): Promise<void> {
    for (let tries = 0; !reached(); tries++) {
      if (tries > TRIES_MAX) throw new Error(`it never came to this: ${what}`);
      await delay(100);
    }
  }
}

function contents(directory: string): [string, string][] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry): [string, string] => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length), readFileSync(path, "base64")];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

test("a folder is protected: changes are seen as they come, a flush misses nothing, and it says what is lacking", async () => {
  if (!hasCommand("flock")) return skipped("the product without the addon", "there is no flock(1) to lock the data directory with");
  const base = temporaryDirectory("no-addon");
  const root = join(base, "root");
  for (let i = 0; i < 30; i++) {
    mkdirSync(join(root, `d${i % 5}`), { recursive: true });
    writeFileSync(join(root, `d${i % 5}`, `file ${i}`), random.bytes(random.int(100_000)));
  }
  const copy = new Copy(base);
  const output = await copy.whileUp(root, async () => {
    assert.match(copy.run("status").stdout, /source: +hints; without the addon events are hints: everything is compared every 30 s/);
    mkdirSync(join(root, "new/deep"), { recursive: true });
    writeFileSync(join(root, "new/deep/note"), "as it comes\n");
    await copy.until("the new file can be read, with no flush", () => copy.run("cat", join(root, "new/deep/note")).stdout === "as it comes\n");
    for (let i = 0; i < 30; i += 3) {
      const path = join(root, `d${i % 5}`, `file ${i}`);
      if (i % 2 === 0) appendFileSync(path, random.bytes(5000));
      else if (i % 5 === 0) rmSync(path);
      else renameSync(path, join(root, `moved ${i}`));
    }
    const flushed = copy.run("flush");
    assert.is(flushed.status, 0, flushed.stderr);
    const restored = copy.run("restore", root, "--to", join(base, "restored"));
    assert.is(restored.status, 3, restored.stderr);
    assert.match(restored.stderr, /exact to the microsecond only \(no addon\)/);
    assert.equal(contents(join(base, "restored")), contents(root));
    assert.is(copy.run("check", "--read-data").status, 0);
  });
  assert.match(output, /without the addon these are not kept: .*extended attributes/);
});

test.run();
