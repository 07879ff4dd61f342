/**
 * The one who records a mirror's facts: decides which nodes they are of and hands them to the mirror's appender in batches, as an agent
 * does with a machine's. What is remembered beside the facts is kept in step: sums go before a fact that replaces their file is stored,
 * late attributes are noted before the fact that sets them. After an error nothing more is taken; a new session begins anew.
 */
import { RainbowError } from "../../core/index.ts";
import type { AgentSession, ByteString, Change, Clock, HostLink, NodeId, Revision } from "../../core/index.ts";
import { TreeFileList } from "../../projections/index.ts";
import type { DigTreeProjection, FileList, MirrorFact, MirrorFiles, MirrorMemory } from "../../projections/index.ts";
import { Decider } from "./decide.ts";
import type { Decided, Known } from "./decide.ts";

const BATCH_FACTS_MAX = 10_000;
const BATCH_BYTES_MAX = 4 << 20; // An append may have 16 MiB.
const FACT_BYTES = 200; // Beside its texts.
const WAITING_FACTS_MAX = 5_000; // Recorded and not in the projection yet: then `record` waits for it, and memory stays bounded.

export interface RecorderOptions {
  readonly link: HostLink;
  readonly session: AgentSession;
  readonly projection: DigTreeProjection;
  readonly memory: MirrorMemory;
  readonly clock: Clock;
  /** Called once, when nothing more is taken. */
  readonly onFailed: (cause: unknown) => void;
}

/** Of what one batch notes as late. */
interface Marks {
  readonly attributes: number;
  readonly digests: number;
}

export class Recorder implements MirrorFiles {
  private readonly options: RecorderOptions;
  private readonly decider: Decider;
  private sequence = 0;
  private durable: Revision;
  /** Resolves when every batch decided so far was handed to the appender; never rejects. */
  private handedOver: Promise<void> = Promise.resolve();
  private underWay: Promise<unknown> = Promise.resolve();
  private failure: { readonly cause: unknown } | undefined;

  constructor(options: RecorderOptions) {
    const { projection, session } = options;
    this.options = options;
    this.durable = projection.revision;
    this.decider = new Decider(
      {
        get revision() {
          return projection.revision;
        },
        known: (parent, name) => knownNow(projection, parent, name),
      },
      session.epoch,
    );
  }

  get deletions(): MirrorMemory["deletions"] {
    return this.options.memory.deletions;
  }

  get sums(): MirrorMemory["sums"] {
    return this.options.memory.sums;
  }

  get lateAttributes(): MirrorMemory["lateAttributes"] {
    return this.options.memory.lateAttributes;
  }

  get intents(): MirrorMemory["intents"] {
    return this.options.memory.intents;
  }

  get lateDigests(): MirrorMemory["lateDigests"] {
    return this.options.memory.lateDigests;
  }

  get claims(): MirrorMemory["claims"] {
    return this.options.memory.claims;
  }

  async list(): Promise<FileList> {
    const { projection } = this.options;
    projection.follow(this.durable);
    await projection.projected(this.durable);
    return new TreeFileList(projection.viewNow());
  }

  async record(facts: readonly MirrorFact[]): Promise<Revision> {
    const stored = batchesOf(facts).map((batch) => this.recordBatch(batch));
    const revisions = await Promise.all(stored.length === 0 ? [this.underWay.then(() => this.durable)] : stored);
    await this.waitForProjection();
    return revisions.at(-1)!;
  }

  /** Resolves when everything that was taken is durable or refused. */
  async idle(): Promise<void> {
    await this.underWay;
  }

  private async recordBatch(facts: readonly MirrorFact[]): Promise<Revision> {
    this.refuseWhenFailed();
    const decided = this.decider.decide(facts);
    const marks = { attributes: this.lateAttributes.takeMark(), digests: this.lateDigests.takeMark() };
    const stored = this.handOver(decided, marks);
    this.underWay = Promise.allSettled([this.underWay, stored]).then(() => undefined); // Each would hold the results of all before it.
    const revision = await stored;
    decided.names.revision = revision;
    this.durable = Math.max(this.durable, revision) as Revision;
    await this.orFail(this.forgetOld(facts, decided, marks));
    return revision;
  }

  /** What was remembered of objects that are others now, or gone. */
  private async forgetOld(facts: readonly MirrorFact[], decided: Decided, marks: Marks): Promise<void> {
    await this.lateAttributes.clear(decided, marks.attributes);
    await this.lateDigests.clear(decided, marks.digests);
    await this.claims.clear(facts, decided.emptied);
  }

  /** In the order of the calls: each is handed over once the one before it was, and is not waited for by the next. */
  private async handOver(decided: Decided, marks: Marks): Promise<Revision> {
    const [before, earlier] = [this.handedOver, this.underWay];
    const handed = (async (): Promise<{ readonly stored: Promise<Revision> }> => {
      await before;
      this.refuseWhenFailed();
      await this.sums.forget(decided.replaced);
      await this.sums.forgetBelow(decided.emptied);
      await this.lateAttributes.add(decided.late, marks.attributes);
      await this.lateDigests.add(decided.lateDigests, marks.digests);
      return { stored: decided.changes.length === 0 ? this.afterThose(earlier) : this.send(decided.changes) };
    })();
    this.handedOver = handed.then(
      () => undefined,
      () => undefined,
    );
    return await this.orFail(handed.then(({ stored }) => stored));
  }

  private async send(changes: readonly Change[]): Promise<Revision> {
    const { link, session, clock } = this.options;
    this.sequence += 1;
    const batch = { epoch: session.epoch, sequence: this.sequence, agentTimeUs: clock.now(), monotonicUs: clock.monotonicUs(), changes, chunks: [] };
    const { revision } = await link.send(batch);
    return revision as Revision;
  }

  /** Facts that say nothing are durable when those before them are. */
  private async afterThose(earlier: Promise<unknown>): Promise<Revision> {
    await earlier;
    this.refuseWhenFailed();
    return this.durable;
  }

  private async waitForProjection(): Promise<void> {
    const { projection } = this.options;
    if (this.decider.waitingCount > WAITING_FACTS_MAX) await projection.projected(this.durable);
  }

  private async orFail<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (this.failure === undefined) {
        this.failure = { cause };
        this.options.onFailed(cause);
      }
      throw cause;
    }
  }

  private refuseWhenFailed(): void {
    if (this.failure === undefined) return;
    throw new RainbowError("NOT_RUNNING", "the mirror is opened anew after a failure: record again then", {}, this.failure.cause);
  }
}

/** Whether it has an object is looked up only where that matters: most names are new. */
function knownNow(projection: DigTreeProjection, parent: NodeId, name: ByteString): Known | undefined {
  const value = projection.now.name(parent, name);
  if (value === undefined) return undefined;
  const { node, kind } = value;
  return {
    node,
    kind,
    get hasObject() {
      return projection.now.node(node)?.mirrored?.place !== undefined;
    },
  };
}

/** Facts in batches that an append takes. */
function batchesOf(facts: readonly MirrorFact[]): MirrorFact[][] {
  const batches: MirrorFact[][] = [];
  let byteCount = Number.POSITIVE_INFINITY;
  for (const fact of facts) {
    const own = FACT_BYTES + ("path" in fact ? fact.path.length : 0) + (fact.type === "LinkArrived" ? fact.linkTarget.length : 0);
    if (byteCount + own > BATCH_BYTES_MAX || batches.at(-1)!.length >= BATCH_FACTS_MAX) {
      batches.push([]);
      byteCount = 0;
    }
    batches.at(-1)!.push(fact);
    byteCount += own;
  }
  return batches;
}
