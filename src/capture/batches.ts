/**
 * The batch in the making and those on their way: changes in capture order, cut by time, payload or count. A batch leaves only when
 * the memory that belongs to it is durable. Its limits push back: room() waits while too much is unsent or unacknowledged.
 */
import { assert } from "../core/index.ts";
import type { Batch, BatchAcknowledged, Clock, Epoch, NewChunk, ReportedChange, TimeUs } from "../core/index.ts";
import type { Limits } from "./limits.ts";
import type { Memory } from "./memory/index.ts";

export class Batches {
  private readonly clock: Clock;
  private readonly memory: Memory;
  private readonly limits: Limits;
  readonly epoch: Epoch;
  private readonly giveBack: (chunk: NewChunk) => void;
  private changes: ReportedChange[] = [];
  private chunks: NewChunk[] = [];
  private payloadBytes = 0;
  private firstUs = 0;
  private sequence = 0;
  private readonly ready: Batch[] = [];
  /** Chunks of the batches that are not acknowledged yet, by sequence. */
  private readonly sent = new Map<number, readonly NewChunk[]>();
  private sealing = 0;
  private waiter: (() => void) | undefined;
  private roomWaiters: (() => void)[] = [];
  private isClosed = false;
  private isLetGo = false;
  private failure: { readonly cause: unknown } | undefined;
  private clockOffsetUs: number;

  constructor(options: {
    readonly clock: Clock;
    readonly memory: Memory;
    readonly limits: Limits;
    readonly epoch: Epoch;
    readonly giveBack: (chunk: NewChunk) => void;
  }) {
    this.clock = options.clock;
    this.memory = options.memory;
    this.limits = options.limits;
    this.epoch = options.epoch;
    this.giveBack = options.giveBack;
    this.clockOffsetUs = this.clock.now() - this.clock.monotonicUs();
  }

  /** The sequence of the newest batch that was cut; 0: none yet. */
  get lastSequence(): number {
    return this.sequence;
  }

  get isEmpty(): boolean {
    return this.changes.length === 0;
  }

  /** The index that the next chunk will have. */
  get chunkCount(): number {
    return this.chunks.length;
  }

  add(...changes: readonly ReportedChange[]): void {
    if (this.changes.length === 0) {
      this.firstUs = this.clock.monotonicUs();
      this.noteClock();
    }
    for (const change of changes) this.changes.push(change);
  }

  /** Their indexes begin at chunkCount as it was before. */
  addChunks(chunks: readonly NewChunk[]): void {
    for (const chunk of chunks) {
      this.chunks.push(chunk);
      this.payloadBytes += chunk.stored.length;
    }
  }

  /** Cuts where `payloadBytes` more would make the batch too large; to be called before something that must stay whole. */
  reserve(payloadBytes: number): void {
    if (this.payloadBytes > 0 && this.payloadBytes + payloadBytes > this.limits.batchBytes) this.cut();
  }

  get isFull(): boolean {
    return this.payloadBytes >= this.limits.batchBytes || this.changes.length >= this.limits.batchChanges || this.memory.changedCount >= this.limits.batchRows;
  }

  /** How long the batch in the making may still wait, in ms; undefined where there is none. */
  get dueMs(): number | undefined {
    if (this.changes.length === 0) return undefined;
    return Math.max(0, this.limits.coalesceMs - (this.clock.monotonicUs() - this.firstUs) / 1000);
  }

  /** Ends the batch in the making, if there is one. */
  cut(): void {
    if (this.changes.length === 0) return;
    assert(!this.isClosed, "nothing is cut after the end");
    this.sequence += 1;
    const batch: Batch = {
      epoch: this.epoch,
      sequence: this.sequence,
      agentTimeUs: this.clock.now(),
      monotonicUs: this.clock.monotonicUs(),
      changes: this.changes,
      chunks: this.chunks,
    };
    this.sent.set(this.sequence, this.chunks);
    this.changes = [];
    this.chunks = [];
    this.payloadBytes = 0;
    this.sealing += 1;
    void this.memory
      .seal(batch)
      .then(
        () => this.ready.push(batch),
        (cause: unknown) => (this.failure ??= { cause }),
      )
      .then(() => {
        this.sealing -= 1;
        this.wake();
      });
  }

  /** Waits until another batch may be made. Resolves at once in the usual case. */
  async room(): Promise<void> {
    while (!this.isClosed && !this.isLetGo && this.failure === undefined && this.isBlocked())
      await new Promise<void>((resolve) => this.roomWaiters.push(resolve));
  }

  isBlocked(): boolean {
    return this.ready.length + this.sealing >= this.limits.batchesReadyMax || this.memory.unacknowledgedCount >= this.limits.batchesUnacknowledgedMax;
  }

  /** The next batch in order; undefined after close() when all are taken. Rejects where the memory could not be written. */
  async next(): Promise<Batch | undefined> {
    for (;;) {
      const batch = this.ready.shift();
      if (batch !== undefined) {
        this.freeRoom();
        return batch;
      }
      if (this.failure !== undefined) throw this.failure.cause;
      if (this.isClosed && this.sealing === 0) return undefined;
      await new Promise<void>((resolve) => (this.waiter = resolve));
    }
  }

  async acknowledged(ack: BatchAcknowledged): Promise<void> {
    if (ack.epoch !== this.epoch) return;
    await this.memory.acknowledged(ack);
    this.sent.get(ack.sequence)?.forEach(this.giveBack);
    this.sent.delete(ack.sequence);
    this.freeRoom();
  }

  /** Nobody is to wait for room any more: the end is near. */
  letGo(): void {
    this.isLetGo = true;
    this.freeRoom();
  }

  /** Makes next() reject with `cause` once what was cut is taken. */
  fail(cause: unknown): void {
    this.failure ??= { cause };
    this.wake();
    this.freeRoom();
  }

  /** Cuts what is left; nothing comes after it. */
  close(): void {
    if (!this.isClosed) this.cut();
    this.isClosed = true;
    this.wake();
    this.freeRoom();
  }

  private noteClock(): void {
    const nowUs = this.clock.now();
    const offsetUs = nowUs - this.clock.monotonicUs();
    const stepUs = offsetUs - this.clockOffsetUs;
    if (Math.abs(stepUs) > this.limits.clockStepUs) {
      this.changes.push({ type: "ClockStepped", beforeUs: Math.max(0, nowUs - stepUs) as TimeUs, afterUs: nowUs });
    }
    this.clockOffsetUs = offsetUs;
  }

  private wake(): void {
    const { waiter } = this;
    this.waiter = undefined;
    waiter?.();
  }

  private freeRoom(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
