/** The agent: batches in order, several under way, each sent again where it found no room. It knows what every acknowledged revision holds. */
import { isRainbowError } from "../../../src/core/index.ts";
import type { Batch, Revision } from "../../../src/core/index.ts";
import type { NaiveInstant } from "../../support/naive-machine.ts";
import { SiegeFacts } from "./facts.ts";
import type { WriterOrder } from "./order.ts";
import { turn } from "./site.ts";
import type { Site } from "./site.ts";

const IN_FLIGHT = 4;
const PATIENCE_TRIES = 50; // Then somebody must make room.
const SESSION_BATCHES_MAX = 40;
const HOUR_US = 3600 * 1e6;

export class Agent {
  /** The instant after each acknowledged batch, by its last revision. */
  readonly known = new Map<Revision, NaiveInstant>();
  private readonly site: Site;
  private readonly facts: SiegeFacts;
  private readonly scriptLength: number;
  /** How often the batch that is due found no room. */
  private tries = 0;

  constructor(site: Site, order: WriterOrder) {
    this.site = site;
    const { script, revisions } = order.model;
    this.scriptLength = script.length;
    this.facts = new SiegeFacts(order.seed, script);
    revisions.forEach((revision, i) => {
      if (revision > 0) this.known.set(revision as Revision, this.facts.instants[i + 1]!);
    });
  }

  async work(batchCount: number): Promise<void> {
    const end = this.scriptLength + batchCount;
    for (let next = this.scriptLength; next < end;) next = await this.session(next, Math.min(end - next, 3 + this.site.random.int(SESSION_BATCHES_MAX)));
  }

  /** One session; returns the index after its last batch. */
  private async session(first: number, count: number): Promise<number> {
    const ingest = await this.site.stores.machine.ingest();
    const { epoch } = await ingest.openSession();
    this.site.note("session", epoch, first);
    const underWay = new Map<number, { readonly batch: Batch; readonly done: Promise<boolean> }>();
    const settle = async (): Promise<void> => {
      const waiting = [...underWay.entries()];
      underWay.clear();
      for (const [index, { batch, done }] of waiting) if (!(await done)) await this.sendAgain(index, batch);
    };
    for (let i = first; i < first + count; i++) {
      const batch = this.facts.next(epoch);
      this.site.note("sent", i);
      underWay.set(i, { batch, done: this.send(i, batch) });
      if (underWay.size >= IN_FLIGHT || this.site.random.chance(0.1)) await settle();
      this.site.clock.us += this.site.random.int(4) * HOUR_US;
      if (this.site.random.chance(0.1)) this.site.note("clock", this.site.clock.us);
    }
    await settle();
    return first + count;
  }

  /** False where there was no room for it. */
  private async send(index: number, batch: Batch): Promise<boolean> {
    const { machine, failure } = this.site.stores;
    try {
      const { revision } = await (await machine.ingest()).send(batch);
      this.known.set(revision as Revision, this.facts.instants[index + 1]!);
      this.site.note("ack", index, revision);
      return true;
    } catch (error) {
      if (!isRainbowError(error, "DISK_FULL", "QUOTA_FULL") || failure() !== undefined) throw error;
      return false;
    }
  }

  private async sendAgain(index: number, batch: Batch): Promise<void> {
    while (!(await this.send(index, batch))) {
      this.tries += 1;
      for (let i = 0; i < 20; i++) await turn();
    }
    this.tries = 0;
  }

  get hasLostPatience(): boolean {
    return this.tries > PATIENCE_TRIES;
  }
}
