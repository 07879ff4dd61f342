/**
 * Random trees under random changes, mirrored after each burst of them with random options and protocols, onto real events and trees:
 * after every sync the target is what the reference client makes of the same module, and one more sync finds nothing to do.
 */
// Time limit: 900 s
import { linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lastOfProfile } from "../../src/actors/mirror/index.ts";
import type { LaneLimits, SyncOptions } from "../../src/actors/mirror/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { MirrorRig, rigOs } from "../support/mirror-rig.ts";
import { bytePath } from "../support/compare-trees.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const test = suite("mirror: against the reference client");
const SYNCS_PER_WALK = 6;
const NAMES = ["a", "b", "a-", "a.b", "Größe", "Release", "Packages", "x y", "c\nd", ".hidden", "n".repeat(200)];

class Upstream {
  private readonly root: string;
  private readonly random: SeededRandom;
  private seconds = 1_600_000_000;

  constructor(root: string, random: SeededRandom) {
    this.root = root;
    this.random = random;
  }

  change(): void {
    const changes = [this.write, this.write, this.write, this.edit, this.edit, this.folder, this.link, this.hardLink, this.remove, this.move, this.touch];
    this.random.pick(changes).call(this);
  }

  /** A mirror never takes an empty module at its word. */
  keepOne(): void {
    if (readdirSync(this.root).length === 0) writeFileSync(join(this.root, "last one"), "here");
  }

  private all(kind: "file" | "directory" | "any"): string[] {
    const found: string[] = [];
    const walk = (directory: string): void => {
      for (const name of readdirSync(directory)) {
        const path = join(directory, name);
        const stat = lstatSync(path);
        if (kind === "any" || (kind === "file" ? stat.isFile() : stat.isDirectory())) found.push(path);
        if (stat.isDirectory()) walk(path);
      }
    };
    walk(this.root);
    return found;
  }

  /** A path that may be taken, below any folder. */
  private place(): string {
    return join(this.random.pick([this.root, ...this.all("directory")]), this.random.pick(NAMES));
  }

  private free(): string {
    const path = this.place();
    rmSync(path, { recursive: true, force: true });
    return path;
  }

  private write(): void {
    const path = this.free();
    const sizes = [0, 1, 700, 20_000, 140_000, 1_500_000];
    writeFileSync(path, this.random.bytes(this.random.pick(sizes) + this.random.int(50)));
    if (this.random.chance(0.2)) rigOs.chmod(bytePath(path), this.random.pick([0o600, 0o755, 0o4711, 0o444]));
    this.age(path);
  }

  private edit(): void {
    const files = this.all("file");
    if (files.length === 0) return;
    const path = this.random.pick(files);
    const { size } = lstatSync(path);
    if (this.random.chance(0.3)) truncateSync(path, this.random.int(size + 1));
    else writeFileSync(path, this.random.bytes(1 + this.random.int(3000)), { flag: this.random.pick(["r+", "a"]) });
    this.age(path);
  }

  /** Content of another second: lists of before protocol 31 tell no more, and neither client would see the change. */
  private age(path: string): void {
    utimesSync(path, ++this.seconds, this.seconds);
  }

  private folder(): void {
    mkdirSync(this.free());
  }

  private link(): void {
    symlinkSync(this.random.pick(["a", "../b", "/nowhere", "Größe/x"]), this.free());
  }

  private hardLink(): void {
    const files = this.all("file");
    const path = this.place();
    if (files.length === 0 || files.includes(path)) return;
    const source = this.random.pick(files);
    if (source.startsWith(`${path}/`)) return;
    rmSync(path, { recursive: true, force: true });
    linkSync(source, path);
  }

  private remove(): void {
    const paths = this.all("any");
    if (paths.length > 0) rmSync(this.random.pick(paths), { recursive: true, force: true });
  }

  private move(): void {
    const paths = this.all("any");
    const to = this.place();
    if (paths.length === 0) return;
    const from = this.random.pick(paths);
    if (to === from || to.startsWith(`${from}/`) || from.startsWith(`${to}/`)) return;
    rmSync(to, { recursive: true, force: true });
    renameSync(from, to);
  }

  private touch(): void {
    const paths = this.all("any").filter((path) => !lstatSync(path).isSymbolicLink());
    if (paths.length === 0) return;
    const path = this.random.pick(paths);
    if (this.random.chance(0.5)) utimesSync(path, this.random.int(2 ** 31), this.random.int(2 ** 31));
    else rigOs.chmod(bytePath(path), lstatSync(path).isDirectory() ? this.random.pick([0o755, 0o700, 0o2775]) : this.random.pick([0o644, 0o640]));
  }
}

/** Lanes from files of a kilobyte on, in batches of a few, and a queue that is full soon. */
function randomLaneLimits(random: SeededRandom): LaneLimits {
  return {
    fileBytesMin: random.pick([1, 1000, 100_000]),
    mainBytes: random.pick([0, 1000, 200_000]),
    queuedCountEnough: random.pick([1, 3, 1000]),
    queuedCountMax: random.pick([2, 5, 1000]),
    batchBytesMin: random.pick([1, 30_000]),
    batchBytesMax: 1_000_000,
    batchCountMax: random.pick([1, 3, 50]),
  };
}

function randomOptions(random: SeededRandom): Partial<SyncOptions> {
  return {
    protocolMax: random.pick([29, 30, 31, 32, 32, 32]),
    last: random.chance(0.5) ? lastOfProfile("debian") : [],
    checksum: random.chance(0.1),
    maxDelete: 10_000,
    connections: random.pick([1, 2, 3, 4]),
    laneLimits: randomLaneLimits(random),
  };
}

async function walk(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const mirror = await StoredMirror.make();
  const rig = await MirrorRig.open({ files: await mirror.opened.files() });
  const upstream = new Upstream(rig.upstream, random.fork());
  try {
    for (let i = 0; i < SYNCS_PER_WALK; i++) {
      const changeCount = random.int(25);
      for (let j = 0; j < changeCount; j++) upstream.change();
      upstream.keepOne();
      const options = randomOptions(random);
      const where = `walk ${seed}, sync ${i}, ${JSON.stringify(options)}`;
      const { heldBecause, counts } = await rig.sync(options);
      assert.equal([heldBecause, counts.failedCount], ["", 0], where);
      const reference = [`--protocol=${options.protocolMax}`, ...(options.protocolMax! < 31 ? ["--modify-window=0"] : [])];
      // A list of before protocol 31 has whole seconds: what has the same one keeps the rest that it had.
      const differences = rig.differences(...reference).filter((line) => options.protocolMax! >= 31 || !line.includes("mtimeNanos"));
      assert.equal(differences, [], where);
      const again = await rig.sync({ ...options, checksum: false });
      assert.equal([again.counts.arrivedCount, again.counts.touchedCount, again.counts.withdrawnCount], [0, 0, 0], `${where}: ${JSON.stringify(again.items)}`);
      if (random.chance(0.3)) {
        await mirror.reopen();
        rig.use(rig.store, await mirror.opened.files());
        rig.forget();
      }
    }
    assert.is(mirror.failure, undefined);
  } finally {
    await rig.close();
    await mirror.opened.close();
  }
}

test("after every sync the target is what the reference client makes of the module", async () => {
  if (!hasCommand("rsync")) return skipped("mirror: model", "rsync is not installed");
  const random = seededRandom(campaignSeed());
  for (let i = 0; i < scale(60); i++) await walk(random.int(2 ** 31));
});

test.run();
