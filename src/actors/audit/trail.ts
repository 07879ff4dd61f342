/**
 * Entries of the audit on their way into its stream. A store that takes nothing for a while (a full disk, a server that is away) holds
 * up nobody: entries wait in memory, in order, and are stored as soon as that can be. When too many wait, the newest are given up and
 * counted; the count goes into the stream before what follows it.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock, Revision, TimeUs } from "../../core/index.ts";
import { ChainedStream, decodeAudit } from "../../events/index.ts";
import type { ActionNoted, AuditEvent, EntriesLost, EventStore } from "../../events/index.ts";
import { ownBatch } from "../machine/index.ts";
import { decideTrim } from "./retention.ts";
import type { Trimming } from "./retention.ts";

const WAITING_MAX = 1000; // Some 500 KiB: an hour of a busy script while a server is away.
const BATCH_ENTRIES = 200;
const ANSWER_MS = 3000; // So long a request waits for its entry, and no longer.
const RETRY_MS = 5000;

export type Entry = Omit<ActionNoted, "type">;

export interface TrailState {
  readonly waitingCount: number;
  /** Given up since the start, and not counted in the stream yet. */
  readonly lostCount: number;
  /** Why the store took nothing when it was last tried; undefined while all is well. */
  readonly failure: unknown;
}

export interface TrailOptions {
  readonly store: () => EventStore;
  readonly stream: string;
  readonly clock: Clock;
}

interface Waiting {
  readonly entry: Entry;
  readonly answer: (isDurable: boolean) => void;
}

interface Attempt {
  readonly events: readonly AuditEvent[];
  readonly entryCount: number;
  /** How many given up entries it tells of. */
  readonly lostCount: number;
}

export class Trail {
  readonly stream: string;
  private readonly options: TrailOptions;
  private readonly stopping = new AbortController();
  private readonly waiting: Waiting[] = [];
  private lost: Omit<EntriesLost, "type"> | undefined;
  private chain: ChainedStream | undefined;
  /** What is being stored, or was tried and will be again: the same events, as they may have been stored although the store did not say so. */
  private attempt: Attempt | undefined;
  private failure: unknown;
  private writing: Promise<void> | undefined;

  constructor(options: TrailOptions) {
    this.options = options;
    this.stream = options.stream;
  }

  get state(): TrailState {
    return { waitingCount: this.waiting.length, lostCount: this.lost?.count ?? 0, failure: this.failure };
  }

  /** True once the entry is durable; false where it has to wait, or had to be given up. Never rejects, and never takes long. */
  async note(entry: Entry): Promise<boolean> {
    if (this.waiting.length >= WAITING_MAX) {
      this.giveUp(entry.atUs);
      return false;
    }
    const stored = new Promise<boolean>((answer) => this.waiting.push({ entry, answer }));
    const isPausing = this.failure !== undefined;
    this.write();
    if (isPausing) return false;
    const late = new AbortController();
    try {
      return await Promise.race([stored, this.options.clock.sleep(ANSWER_MS, late.signal).then(() => false)]);
    } finally {
      late.abort();
    }
  }

  /** Lets go of what is older than the policy keeps. Nothing is done while the store takes nothing. */
  async trim(trimming: Trimming): Promise<void> {
    const store = this.options.store();
    if (this.failure !== undefined) return;
    const dropped = await decideTrim(store, this.stream, trimming);
    if (dropped === undefined) return;
    await this.writing;
    const done = this.append([dropped]); // First: from here on it is known why the chain begins where it does.
    this.hold(done);
    await done;
    await store.truncateBefore(this.stream, dropped.before);
  }

  /** Tries once more to store what waits. Resolves with how many entries are lost with the process. */
  async close(): Promise<number> {
    this.stopping.abort();
    await this.writing;
    this.write();
    await Promise.race([this.writing, this.options.clock.sleep(ANSWER_MS)]);
    return this.waiting.length + (this.lost?.count ?? 0);
  }

  private giveUp(atUs: TimeUs): void {
    const why = this.failure instanceof Error ? this.failure.message.slice(0, 1000) : "the store took too long";
    this.lost = { count: (this.lost?.count ?? 0) + 1, fromUs: this.lost?.fromUs ?? atUs, untilUs: atUs, why };
  }

  private write(): void {
    if (this.writing === undefined && this.waiting.length > 0) this.hold(this.writeAll());
  }

  /** One append at a time. */
  private hold(work: Promise<void>): void {
    this.writing = work
      .catch(() => undefined) // Whoever asked for it hears of it.
      .finally(() => {
        this.writing = undefined;
        if (this.failure === undefined) this.write();
      });
  }

  /** Until nothing waits, or the end. */
  private async writeAll(): Promise<void> {
    const { clock } = this.options;
    while (this.waiting.length > 0) {
      this.attempt ??= this.nextAttempt();
      try {
        await this.append(this.attempt.events);
        this.stored(this.attempt);
      } catch (error) {
        this.failure = error;
        for (const { answer } of this.waiting) answer(false);
        if (!this.stopping.signal.aborted) await clock.sleep(RETRY_MS, this.stopping.signal);
        if (this.stopping.signal.aborted) return;
      }
    }
  }

  private nextAttempt(): Attempt {
    const batch = this.waiting.slice(0, BATCH_ENTRIES);
    const events: AuditEvent[] = batch.map(({ entry }) => ({ type: "ActionNoted", ...entry }));
    const lost = batch.length === this.waiting.length ? this.lost : undefined; // Those that wait came before those that were given up.
    if (lost !== undefined) events.push({ type: "EntriesLost", ...lost });
    return { events, entryCount: batch.length, lostCount: lost?.count ?? 0 };
  }

  private stored({ entryCount, lostCount }: Attempt): void {
    this.failure = undefined;
    this.attempt = undefined;
    for (const { answer } of this.waiting.splice(0, entryCount)) answer(true);
    if (this.lost !== undefined) this.lost = this.lost.count === lostCount ? undefined : { ...this.lost, count: this.lost.count - lostCount };
  }

  private async append(events: readonly AuditEvent[]): Promise<void> {
    const store = this.options.store();
    try {
      const isAgain = this.chain === undefined && this.attempt?.events === events;
      const chain = (this.chain ??= await ChainedStream.open(store, this.stream));
      if (isAgain && (await this.isStored(store, chain.head.revision, events))) return;
      await chain.append(events, ownBatch(chain, this.options.clock, ""));
    } catch (error) {
      this.chain = undefined; // It is opened anew, which reads what really is there.
      throw error;
    }
  }

  /** Whether the last append was stored although it failed: its outcome may have been unknown. */
  private async isStored(store: EventStore, head: Revision, events: readonly AuditEvent[]): Promise<boolean> {
    if (head < 0) return false;
    const last = await store.read(this.stream, { direction: "backwards", from: head, maxCount: events.length, withoutPositions: true });
    return isDeepStrictEqual(
      last.toReversed().map((stored) => decodeAudit(stored).event),
      [...events],
    );
  }
}
