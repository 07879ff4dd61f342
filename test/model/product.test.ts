/**
 * The whole product against a naive model: random operations on a real directory that it protects, in bursts that race with its
 * capture; after each burst and flush the directory is written down, and every instant that was written down is listed and read
 * again and compared. Runs end and begin anew in between; at the end all is checked, replayed and restored.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRainbow, systemClock, systemRandom } from "../../src/app/index.ts";
import type { OpenedRainbow } from "../../src/app/index.ts";
import { openOs } from "../../src/app/os/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import { campaignSeed, isCampaign, scale } from "../support/campaign.ts";
import { treeDifferences } from "../support/compare-trees.ts";
import { Churn } from "../support/file-churn.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { recordAnswers, recordDifferences, recordTree } from "../support/tree-record.ts";
import type { TreeRecord } from "../support/tree-record.ts";

const OPERATIONS_CAMPAIGN = 100_000;
const OPERATIONS_PER_WALK = 1000;
const OPERATIONS_PER_BURST = 70;
/** Of the files of an instant that was compared before; all of them are read once at the end. */
const READ_AGAIN_SHARE = 0.05;
const seed = campaignSeed();
const test = suite("the product against a naive model");
const os = openOs();

interface Instant {
  readonly revision: number;
  readonly record: TreeRecord;
}

class Walk {
  readonly top: ByteString;
  private readonly base = temporaryDirectory("product");
  private readonly root = join(this.base, "root");
  private readonly outside = join(this.base, "outside");
  private readonly data = join(this.base, "data");
  private readonly random: SeededRandom;
  private readonly worker: Worker;
  private readonly instants: Instant[] = [];
  private rainbow: OpenedRainbow | undefined;

  constructor(ownSeed: number) {
    this.random = seededRandom(ownSeed);
    this.top = byteStringOfText(this.root);
    for (const directory of [this.root, this.outside]) mkdirSync(directory);
    new Churn({ root: this.root, outside: this.outside, os, random: this.random.fork() }).run(60);
    const workerData = { root: this.root, outside: this.outside, seed: ownSeed + 1 };
    this.worker = new Worker(new URL("../support/file-churn-worker.ts", import.meta.url), { workerData });
  }

  async run(operationCount: number): Promise<void> {
    await this.open();
    await this.operations.addRoot({ path: this.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
    for (let done = 0; done < operationCount;) {
      const count = 1 + this.random.int(2 * OPERATIONS_PER_BURST);
      done += count;
      const finished = once(this.worker, "message");
      this.worker.postMessage(count);
      if (this.random.chance(0.1)) await this.reopen();
      await finished;
      await this.remember();
      for (const instant of this.instants) await this.compare(instant, READ_AGAIN_SHARE);
    }
    await this.reopen();
    for (const instant of this.instants) await this.compare(instant, 1);
    await this.finish();
  }

  async end(): Promise<void> {
    await this.worker.terminate();
    await this.rainbow?.close();
  }

  private get operations(): OpenedRainbow["operations"] {
    return this.rainbow!.operations;
  }

  private async open(): Promise<void> {
    this.rainbow = await openRainbow({
      dataDirectory: this.data,
      mode: "protect",
      create: true,
      version: "test",
      clock: systemClock(),
      random: systemRandom(),
    });
  }

  private async reopen(): Promise<void> {
    await this.rainbow?.close();
    await this.open();
  }

  private async remember(): Promise<void> {
    const { revision, incomplete } = await this.operations.flush({ full: this.random.chance(0.05) });
    assert.equal(incomplete, []);
    const instant = { revision, record: recordTree(os, this.top) };
    await this.compare(instant, 1);
    this.instants.push(instant);
  }

  private async compare({ revision, record }: Instant, readShare: number): Promise<void> {
    const answers = await recordAnswers(this.operations, this.top, revision, () => this.random.chance(readShare));
    const differences = recordDifferences(record, answers);
    assert.ok(
      differences.length === 0,
      `r${revision} of ${this.instants.map((instant) => instant.revision).join(", ")}:\n${differences.slice(0, 10).join("\n")}`,
    );
  }

  /** The stores are sound, the projections can be made again, and the present comes back with all that a listing does not show. */
  private async finish(): Promise<void> {
    for await (const item of this.operations.check({ readData: true })) if (item.type === "problem") assert.unreachable(`check: ${item.where}: ${item.what}`);
    for await (const item of this.operations.replay({ verify: true })) if (item.type === "problem") assert.unreachable(`replay: ${item.where}: ${item.what}`);
    const target = byteStringOfText(join(this.base, "restored"));
    const request = {
      path: this.top,
      at: { kind: "now" },
      target,
      overwrite: false,
      delete: false,
      dryRun: false,
      include: [],
      exclude: [],
      inPlace: false,
    } as const;
    for await (const item of this.operations.restore(request))
      if (item.type === "restored") assert.not.match(item.what, "failed", `${item.path}: ${item.detail}`);
    assert.equal(treeDifferences(os, this.top, target), []);
  }
}

// Under npm test half of a tenth: a walk takes about 6 s.
for (let i = 0; i < scale(OPERATIONS_CAMPAIGN) / (isCampaign ? 1 : 2) / OPERATIONS_PER_WALK; i++) {
  test(`every remembered instant of ${OPERATIONS_PER_WALK} random operations can be listed and read as it was (walk ${i})`, async () => {
    const walk = new Walk(seed + i * 1000);
    try {
      await walk.run(OPERATIONS_PER_WALK);
    } finally {
      await walk.end();
    }
  });
}

test.run();
