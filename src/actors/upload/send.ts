/**
 * The sending loop: pulls batches from capture, keeps a window of them under way, and reports acknowledgements in order. A full disk
 * or quota holds the window back and tries again; anything else ends the session.
 */
import { isRainbowError } from "../../core/index.ts";
import type { Batch, BatchAcknowledged, Clock, HostLink } from "../../core/index.ts";
import type { Capture } from "../../capture/index.ts";

const WINDOW_BATCHES = 6; // 6 batches of about 1 MiB hide the latency of a group commit and stay far below the agent's memory limit.
const FULL_RETRY_MS = 2000;

/** One call of capture.next() at a time, also across sessions: a call that a lost session left open is taken up by the next one. */
export class BatchSource {
  private readonly capture: Capture;
  private open: Promise<Batch | undefined> | undefined;
  private turn: PromiseWithResolvers<Batch | undefined> | undefined;

  constructor(capture: Capture) {
    this.capture = capture;
  }

  /** The next batch; undefined once capture has ended or when it is interrupted: the batch then waits for the next caller. */
  next(): Promise<Batch | undefined> {
    const turn = Promise.withResolvers<Batch | undefined>();
    this.turn = turn;
    this.open ??= this.capture.next();
    void this.passOn(this.open, turn);
    return turn.promise;
  }

  interrupt(): void {
    this.turn?.resolve(undefined);
    this.turn = undefined;
  }

  /** No Promise.race here: a race keeps every batch alive for as long as its slowest promise does. */
  private async passOn(open: Promise<Batch | undefined>, turn: PromiseWithResolvers<Batch | undefined>): Promise<void> {
    try {
      const batch = await open;
      if (this.turn !== turn) return;
      [this.turn, this.open] = [undefined, undefined];
      turn.resolve(batch);
    } catch (error) {
      if (this.turn === turn) [this.turn, this.open] = [undefined, undefined];
      turn.reject(error);
    }
  }
}

export interface SendOptions {
  readonly capture: Capture;
  readonly source: BatchSource;
  readonly epoch: number;
  readonly link: HostLink;
  readonly clock: Clock;
  /** Aborted when the process ends and what finds no room is given up (the next start reconciles it). */
  readonly signal: AbortSignal;
  readonly onAcknowledged: (ack: BatchAcknowledged) => void;
  /** Called with the reason while the host has no room, and with undefined when it has again. */
  readonly onFull: (cause: unknown) => void;
}

/** Resolves when capture has stopped and everything it held is acknowledged; rejects when the session is lost. */
export async function sendBatches(options: SendOptions): Promise<void> {
  let failure: { readonly cause: unknown } | undefined;
  let noted: Promise<void> = Promise.resolve();
  const underWay = new Set<Promise<void>>();
  const line = new WaitingLine();
  while (failure === undefined) {
    const batch = await options.source.next();
    if (batch === undefined) break;
    if (batch.epoch !== options.epoch) continue; // Cut for a session that was lost; capture reconciles what it held.
    noted = Promise.all([noted, sendOne(options, batch, line)]).then(async ([, ack]) => {
      await options.capture.acknowledged(ack);
      options.onAcknowledged(ack);
    });
    const done = noted.catch((cause: unknown) => {
      failure ??= { cause };
      options.source.interrupt();
    });
    underWay.add(done);
    void forgetWhenDone(underWay, done);
    while (underWay.size >= WINDOW_BATCHES && failure === undefined) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.cause;
}

async function forgetWhenDone(underWay: Set<Promise<void>>, done: Promise<void>): Promise<void> {
  await done;
  underWay.delete(done);
}

/**
 * Sends a batch until there is room for it. The first that finds none tries again by itself; those after it wait until it is stored and
 * then go in their order, as the host takes them in order and one that came too early would end the session.
 */
async function sendOne({ link, clock, onFull, signal }: SendOptions, batch: Batch, line: WaitingLine): Promise<BatchAcknowledged> {
  let isHead = false;
  if (line.isHeld) await line.turn(batch.sequence);
  try {
    for (;;) {
      try {
        const acknowledged = await link.send(batch);
        if (isHead) onFull(undefined);
        return acknowledged;
      } catch (error) {
        if (!isRainbowError(error, "DISK_FULL", "QUOTA_FULL") || signal.aborted) throw error;
        onFull(error);
        if (line.isHeld && !isHead) await line.turn(batch.sequence);
        else {
          isHead = true;
          line.isHeld = true;
          await clock.sleep(FULL_RETRY_MS, signal);
        }
      }
    }
  } finally {
    if (isHead) line.letGo();
  }
}

/** Batches that wait behind one that found no room. */
class WaitingLine {
  isHeld = false;
  private waiting: { readonly sequence: number; readonly go: () => void }[] = [];

  turn(sequence: number): Promise<void> {
    return new Promise((go) => this.waiting.push({ sequence, go }));
  }

  letGo(): void {
    this.isHeld = false;
    for (const { go } of this.waiting.splice(0).sort((a, b) => a.sequence - b.sequence)) go();
  }
}
