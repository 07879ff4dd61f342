/** An agent without a host for benchmarks: batches are acknowledged and dropped; a second process goes on where the first ended. */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openOs } from "../../src/app/os/index.ts";
import { createCapture, type Capture, type RowStore } from "../../src/capture/index.ts";
import { openMemoryRows } from "../../src/capture/lmdb/index.ts";
import { byteStringOfText, type AgentSession, type ReconcileFinished, type TimeUs } from "../../src/core/index.ts";
import { plainOptions, systemClock } from "./capture-rig.ts";

interface Kept {
  readonly hashKey: string;
  epoch: number;
  sequence: number;
}

export class AgentRig {
  readonly capture: Capture;
  private readonly base: string;
  private readonly store: RowStore;
  private readonly kept: Kept;
  private readonly pulling: Promise<void>;
  private finished: ReconcileFinished | undefined;

  private constructor(base: string, capture: Capture, store: RowStore, kept: Kept) {
    this.base = base;
    this.capture = capture;
    this.store = store;
    this.kept = kept;
    this.pulling = this.pull();
  }

  /** Protects `<base>/root`; the agent's memory is `<base>/data/agent`. */
  static async open(base: string): Promise<AgentRig> {
    const agent = join(base, "data/agent");
    mkdirSync(agent, { recursive: true });
    const store = openMemoryRows(byteStringOfText(agent));
    const random = { bytes: (count: number) => randomBytes(count), uuid: () => randomUUID() };
    const directory = byteStringOfText(agent);
    const capture = createCapture({ os: openOs(), clock: systemClock, random, store, directory, dataDirectory: byteStringOfText(join(base, "data")) });
    const path = join(base, "session.json");
    const kept: Kept = existsSync(path)
      ? (JSON.parse(readFileSync(path, "utf8")) as Kept)
      : { hashKey: randomBytes(32).toString("hex"), epoch: 0, sequence: 0 };
    const last = kept.sequence === 0 ? undefined : { epoch: kept.epoch, sequence: kept.sequence, revision: 0, agentTimeUs: 0 as TimeUs };
    kept.epoch += 1;
    kept.sequence = 0;
    const session = { machine: "m", epoch: kept.epoch, hashKey: Buffer.from(kept.hashKey, "hex"), ...(last === undefined ? {} : { last }) };
    await capture.start(session as AgentSession);
    return new AgentRig(base, capture, store, kept);
  }

  /** Until the folder was looked at as a whole. */
  async reconcile(): Promise<{ readonly nodeCount: number; readonly changedCount: number }> {
    const path = byteStringOfText(join(this.base, "root"));
    await this.capture.addRoot(path, plainOptions);
    await this.capture.flush(false);
    while (this.finished === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    return { nodeCount: this.finished.nodeCount, changedCount: this.finished.changedCount };
  }

  async close(): Promise<void> {
    await this.capture.stop();
    await this.pulling;
    await this.store.close();
    writeFileSync(join(this.base, "session.json"), JSON.stringify(this.kept));
  }

  private async pull(): Promise<void> {
    for (let batch = await this.capture.next(); batch !== undefined; batch = await this.capture.next()) {
      this.kept.sequence = batch.sequence;
      for (const change of batch.changes) if (change.type === "ReconcileFinished") this.finished ??= change;
      await this.capture.acknowledged({ epoch: batch.epoch, sequence: batch.sequence, revision: 0, chainHash: Buffer.alloc(32) });
    }
  }
}
