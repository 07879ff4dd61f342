/**
 * Ingest: the one appender of a machine's stream. Payload and its rows are made durable, then the events are appended, then the
 * batch is acknowledged: an acknowledgement survives kill -9 and power loss. Batches are decided in the order of the calls and
 * pipelined. After a failure nothing more is decided: the actor opens a new ingest, whose HostOpened shuts out appends still under
 * way and which gives back the chunks that no event names.
 */
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type {
  AgentSession,
  Batch,
  BatchAcknowledged,
  Change,
  ChangeOrigin,
  ChunkNumber,
  Clock,
  Epoch,
  HostLink,
  NewChunk,
  ReportedChange,
  Revision,
} from "../../core/index.ts";
import type { ChunkStore } from "../../dig/index.ts";
import { isOriginFit } from "../../events/index.ts";
import type { ChainedStream, ChunksStored, MachineEvent } from "../../events/index.ts";
import { ownBatch } from "./own-batch.ts";
import { isMirrorStream } from "./rebased.ts";
import { sameAsStored } from "./repeat.ts";
import { judge, startEpoch } from "./state.ts";
import type { MachineState } from "./state.ts";

const REMEMBERED_BATCHES = 256; // An agent repeats only what it holds unacknowledged, which is far less.

export interface Appended {
  readonly revision: Revision;
  readonly chainHash: Buffer;
}

export interface IngestOptions {
  readonly machine: string;
  readonly hashKey: Buffer;
  readonly chain: ChainedStream;
  readonly chunks: ChunkStore;
  readonly clock: Clock;
  readonly state: MachineState;
  /** The stored events of [from, to], for answering a repeat. */
  readonly readEvents: (from: Revision, to: Revision) => Promise<readonly MachineEvent[]>;
  /** Called after each durable append. */
  readonly onAppended: (revision: Revision) => void;
  /** Called once, when nothing more can be decided. */
  readonly onFailed: (cause: unknown) => void;
}

interface Numbered {
  /** By index in the batch. */
  readonly numbers: readonly ChunkNumber[];
  readonly stored: ChunksStored | undefined;
  readonly durable: Promise<void>;
}

export class Ingest implements HostLink {
  private readonly options: IngestOptions;
  private state: MachineState;
  private session: AgentSession | undefined;
  private nextSequence = 1;
  private readonly recent = new Map<number, { readonly eventCount: number; readonly acknowledged: Promise<BatchAcknowledged> }>();
  /** Resolves when everything decided so far was handed to the event store; never rejects. */
  private handedOver: Promise<void> = Promise.resolve();
  /** Resolves when everything decided so far is durable or refused; never rejects. */
  private outcomes: Promise<void> = Promise.resolve();
  private durable: Revision;
  private failure: unknown;
  /** Why the next batch found no room, until it does. */
  private full: RainbowError | undefined;
  private underWay = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(options: IngestOptions) {
    this.options = options;
    this.state = options.state;
    this.durable = options.chain.head.revision;
  }

  async openSession(): Promise<AgentSession> {
    const { machine, hashKey } = this.options;
    await this.idle();
    const { last } = this.state;
    const events = startEpoch(this.state);
    await this.appendOwn(events, "session");
    const epoch = (this.state.epoch + 1) as Epoch;
    this.state = { ...this.state, epoch };
    this.session = { machine, epoch, hashKey, ...(last === undefined ? {} : { last }) };
    this.nextSequence = 1;
    this.recent.clear();
    return this.session;
  }

  /** See HostLink. DISK_FULL and QUOTA_FULL refuse the batch and leave the ingest open: the agent sends it again later. */
  async send(batch: Batch): Promise<BatchAcknowledged> {
    this.refuseWhenFailed();
    if (this.session === undefined) throw new RainbowError("BATCH_REFUSED", "no session is open: open one first");
    if (this.full !== undefined && batch.sequence > this.nextSequence) throw this.full; // It would leave out the one that found no room.
    if (judge(batch, this.session, this.nextSequence) === "repeat") return await this.answerRepeat(batch);
    return await this.decide(batch);
  }

  /** The host's own facts: snapshots, policy, enrolment. Durable when it resolves. */
  async appendOwn(events: readonly MachineEvent[], correlation: string): Promise<Appended> {
    const { chain, clock } = this.options;
    this.refuseWhenFailed();
    return await this.handOver(Promise.resolve(), () => chain.append(events, ownBatch(chain, clock, correlation)));
  }

  /** The newest epoch and the newest batch of an agent that is durable. */
  get machineState(): MachineState {
    return this.state;
  }

  /** Batches are on their way. */
  get isBusy(): boolean {
    return this.underWay > 0;
  }

  /** Where the stream ends once every batch decided before the call is durable or refused (rule 10). Later ones are not waited for. */
  async settled(): Promise<Revision> {
    await this.outcomes;
    return this.durable;
  }

  /** Resolves when every batch decided so far is durable or refused. */
  async idle(): Promise<void> {
    while (this.underWay > 0) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  private decide(batch: Batch): Promise<BatchAcknowledged> {
    const { chain, clock } = this.options;
    refuseUnknownChunks(batch);
    refuseUnfitOrigins(batch);
    if (!isMirrorStream(chain.stream)) refuseMirrorFacts(batch);
    const { numbers, stored, durable } = this.storeOrRefuse(batch.chunks);
    const { events, origins } = eventsOf(batch.changes, numbers, stored);
    const { agentTimeUs, monotonicUs, epoch, sequence } = batch;
    this.nextSequence = sequence + 1;
    const appended = this.handOver(durable, () =>
      chain.append(events, { agentTimeUs, monotonicUs, hostTimeUs: clock.now(), epoch, sequence, correlation: "" }, origins),
    );
    const acknowledged = appended.then(({ revision, chainHash }) => {
      this.state = { epoch, last: { epoch, sequence, revision, agentTimeUs } };
      return { epoch, sequence, revision, chainHash };
    });
    acknowledged.catch(() => undefined); // send() answers it; a remembered batch must not count as unhandled beside it.
    this.recent.set(sequence, { eventCount: events.length, acknowledged });
    this.recent.delete(sequence - REMEMBERED_BATCHES);
    return acknowledged;
  }

  private storeOrRefuse(chunks: readonly NewChunk[]): Numbered {
    this.full = undefined;
    try {
      return this.storeChunks(chunks);
    } catch (error) {
      if (isRainbowError(error, "DISK_FULL", "QUOTA_FULL")) this.full = error;
      throw error;
    }
  }

  /** Finds what dedup knows and stores the rest, each content once. */
  private storeChunks(chunks: readonly NewChunk[]): Numbered {
    const fresh: NewChunk[] = [];
    const freshIndexes = new Map<string, number>();
    const places = chunks.map((chunk): { known: ChunkNumber } | { fresh: number } => {
      const key = chunk.hash.toString("latin1");
      const again = freshIndexes.get(key);
      if (again !== undefined) return { fresh: again };
      const known = this.options.chunks.find(chunk.hash);
      if (known !== undefined) return { known };
      freshIndexes.set(key, fresh.length);
      return { fresh: fresh.push(chunk) - 1 };
    });
    if (fresh.length === 0)
      return { numbers: places.map((place) => ("known" in place ? place.known : (0 as ChunkNumber))), stored: undefined, durable: Promise.resolve() };
    const { first, durable } = this.options.chunks.store(fresh);
    const numbers = places.map((place) => ("known" in place ? place.known : ((first + place.fresh) as ChunkNumber)));
    return { numbers, durable, stored: { type: "ChunksStored", first, chunks: fresh.map(({ hash, lengthBytes }) => ({ hash, lengthBytes })) } };
  }

  private handOver(ready: Promise<void>, append: () => Promise<Appended>): Promise<Appended> {
    const outcome = this.appendAfter(ready, append);
    this.outcomes = Promise.allSettled([this.outcomes, outcome]).then(() => undefined); // Each would hold the results of all before it.
    return outcome;
  }

  /** Hands an append to the store once `ready` and after everything before it; the outcome is not waited for by the next one. */
  private async appendAfter(ready: Promise<void>, append: () => Promise<Appended>): Promise<Appended> {
    this.underWay += 1;
    const before = this.handedOver;
    const handed = (async (): Promise<{ readonly outcome: Promise<Appended> }> => {
      await Promise.allSettled([before, ready]);
      await ready;
      this.refuseWhenFailed();
      return { outcome: append() };
    })();
    this.handedOver = handed.then(
      () => undefined,
      () => undefined,
    );
    try {
      const appended = await (await handed).outcome;
      this.durable = Math.max(this.durable, appended.revision) as Revision;
      this.options.onAppended(appended.revision);
      return appended;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) this.idleWaiters.splice(0).forEach((wake) => wake());
    }
  }

  private fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.options.onFailed(error);
  }

  private refuseWhenFailed(): void {
    if (this.failure === undefined) return;
    throw new RainbowError("BATCH_REFUSED", "the host is opening this machine anew after a failure: send again in a new session", {}, this.failure);
  }

  private async answerRepeat(batch: Batch): Promise<BatchAcknowledged> {
    const before = this.recent.get(batch.sequence);
    if (before !== undefined) {
      const acknowledged = await before.acknowledged;
      const events = await this.options.readEvents((acknowledged.revision - before.eventCount + 1) as Revision, acknowledged.revision as Revision);
      if (sameAsStored(batch, events, (chunk) => this.options.chunks.describe(chunk).hash)) return acknowledged;
    }
    throw new RainbowError("BATCH_REFUSED", `batch ${batch.sequence} was sent before with other content: open a new session and reconcile`, {
      epoch: batch.epoch,
      sequence: batch.sequence,
    });
  }
}

/** Every extent lies in a chunk of its batch, or nothing of the batch is taken. */
function refuseUnknownChunks(batch: Batch): void {
  for (const change of batch.changes) {
    if (change.type !== "ExtentsWritten") continue;
    for (const { chunk, chunkOffset, length } of change.extents) {
      const chunkBytes = batch.chunks[chunk]?.lengthBytes ?? -1;
      if (length > 0 && chunkOffset >= 0 && chunkOffset + length <= chunkBytes) continue;
      throw new RainbowError(
        "BATCH_REFUSED",
        `an extent of node ${change.node} lies outside of its chunk ${chunk} (${batch.chunks.length} came with the batch)`,
        {
          node: change.node,
          sequence: batch.sequence,
        },
      );
    }
  }
}

function refuseUnfitOrigins({ changes, sequence }: Batch): void {
  for (const { origin } of changes) {
    if (origin === undefined || isOriginFit(origin)) continue;
    throw new RainbowError("BATCH_REFUSED", `a change names process ${origin.pid} with a name of ${origin.name.length} characters: that is out of range`, {
      sequence,
    });
  }
}

const MIRROR_FACTS: ReadonlySet<string> = new Set<Change["type"]>(["FileArrived", "LinkArrived", "FileWithdrawn", "SyncStarted", "SyncFinished", "SyncFailed"]);

/** They say that content lies in an object store, of which a machine has none. */
function refuseMirrorFacts({ changes, sequence }: Batch): void {
  const foreign = changes.find(({ type }) => MIRROR_FACTS.has(type));
  if (foreign === undefined) return;
  throw new RainbowError("BATCH_REFUSED", `${foreign.type} is a fact of mirrors, and this is the stream of a machine`, { sequence, type: foreign.type });
}

interface Told {
  readonly events: readonly MachineEvent[];
  /** Who made each, by index; [] where nobody is known. */
  readonly origins: readonly (ChangeOrigin | undefined)[];
}

function withoutOrigin(reported: ReportedChange): Change {
  const { origin: _, ...change } = reported;
  return change;
}

/** The batch's facts as events: new chunks first, extents with the host's numbers; beside them who made each. */
export function eventsOf(changes: readonly ReportedChange[], numbers: readonly ChunkNumber[], stored: ChunksStored | undefined): Told {
  const events: MachineEvent[] = stored === undefined ? [] : [stored];
  const origins: (ChangeOrigin | undefined)[] = stored === undefined ? [] : [undefined];
  for (const reported of changes) {
    const change = reported.origin === undefined ? reported : withoutOrigin(reported);
    origins.push(reported.origin);
    if (change.type !== "ExtentsWritten") {
      events.push(change);
      continue;
    }
    const extents = change.extents.map(({ offset, length, chunk, chunkOffset }) => ({ offset, length, chunk: numbers[chunk]!, chunkOffset }));
    events.push({ ...change, extents });
  }
  return { events, origins };
}
