/**
 * One stream's appends and edits, decided in the order of the calls. An append that fits the end as it will be is sent at once, several
 * under way; anything else waits until all before it are settled. Outcomes are taken in order. One that is unknown is resolved, by
 * sending it again with the same ids and the expectation it had, before anything after it is answered; the server never takes both.
 */
import type { EventData, KurrentDBClient } from "@kurrent/kurrentdb-client";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Position, Revision } from "../../core/index.ts";
import { judgeAppend, judgeRepeat, revisionConflict } from "../append-rules.ts";
import type { StreamState, Verdict } from "../append-rules.ts";
import { NO_STREAM } from "../event-store.ts";
import type { Appended, NewEvent, StoredEvent } from "../event-store.ts";
import type { AppendChannel, Stored } from "./append-channel.ts";
import { pause } from "./connection.ts";
import { denied, failureKind, outcomeUnknown } from "./failures.ts";
import { PackedEvents } from "./frame.ts";
import { APPEND_BYTES, storeAsParts } from "./parts.ts";
import { tombstoned } from "./stream-facts.ts";

const RESEND_MS = 200;
const RESEND_MS_MAX = 2000;

export interface WriterSource {
  readonly channel: AppendChannel;
  fetchState(stream: string): Promise<StreamState | undefined>;
  /** To be called, and waited for, before a stream gets its first event. */
  register(stream: string): Promise<void>;
  /** Visible events of a stream. */
  read(stream: string, from: Revision, count: number): Promise<StoredEvent[]>;
  /** Called for each new append, in order. */
  onStored(stream: string, first: Revision, events: PackedEvents, position: number): void;
}

interface Append {
  readonly expected: Revision;
  readonly events: PackedEvents;
  wire: EventData[];
  /** Nothing that was stored before the first try has a position above it. */
  positionBefore: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

interface Edit {
  readonly run: (state: StreamState | undefined) => Promise<StreamState | undefined>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class StreamWriter {
  readonly stream: string;
  private readonly source: WriterSource;
  private readonly queue: (Append | Edit)[] = [];
  private isRunning = false;
  /** As it will be when everything under way is stored; undefined: to be asked for. */
  private state: StreamState | undefined;
  private isKnown = false;
  private durableHead: Revision = NO_STREAM;
  private underWay = 0;
  private landing: Promise<void> = Promise.resolve();

  constructor(stream: string, source: WriterSource) {
    this.stream = stream;
    this.source = source;
  }

  /** What is durable, where this process is the one that knows; else undefined, and `isKnownHere` is false. */
  get isKnownHere(): boolean {
    return this.isKnown;
  }

  get durableState(): StreamState | undefined {
    return this.state === undefined || this.durableHead === NO_STREAM ? undefined : { ...this.state, head: this.durableHead };
  }

  append(expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    const packed = new PackedEvents(events);
    return new Promise((resolve, reject) => {
      this.enqueue({ expected, events: packed, wire: wireOf(packed, (i) => packed.frame(i)), positionBefore: -1, resolve, reject });
    });
  }

  /** `run` sees the stream as everything before it has left it, and returns what it has become. */
  edit(run: Edit["run"]): Promise<void> {
    return new Promise((resolve, reject) => this.enqueue({ run, resolve, reject }));
  }

  /** Resolves when everything called so far is settled. */
  async idle(): Promise<void> {
    while (this.isRunning || this.underWay > 0) await new Promise((resolve) => setImmediate(resolve)).then(() => this.landing);
  }

  private enqueue(operation: Append | Edit): void {
    this.queue.push(operation);
    if (!this.isRunning) void this.work();
  }

  private async work(): Promise<void> {
    this.isRunning = true;
    for (let operation = this.queue.shift(); operation !== undefined; operation = this.queue.shift()) {
      try {
        if ("run" in operation) await this.runEdit(operation);
        else await this.decide(operation);
      } catch (error) {
        operation.reject(error);
      }
    }
    this.isRunning = false;
  }

  private async runEdit(edit: Edit): Promise<void> {
    await this.landed();
    const changed = await edit.run(await this.known());
    this.learn(changed);
    edit.resolve();
  }

  private async decide(append: Append): Promise<void> {
    if (!this.isKnown) await this.landed();
    const state = await this.known();
    const verdict = judgeAppend(state, append.expected, append.events.length);
    if (verdict.kind === "write" && state?.deleted !== true && append.events.frameBytes <= APPEND_BYTES) return this.launch(append, state, verdict);
    await this.landed();
    append.resolve(await this.settle(append));
  }

  /** Sends and does not wait: the next one may follow at once. */
  private async launch(append: Append, state: StreamState | undefined, verdict: Verdict & { readonly kind: "write" }): Promise<void> {
    const { channel } = this.source;
    if (state === undefined) await this.source.register(this.stream);
    await channel.room();
    append.positionBefore = channel.highestPosition;
    this.state = { head: (append.expected + append.events.length) as Revision, truncatedBefore: verdict.truncatedBefore, deleted: false };
    const sent = this.send(append);
    this.underWay += 1;
    const before = this.landing;
    this.landing = this.land(append, before, sent).finally(() => (this.underWay -= 1));
  }

  private async land(append: Append, before: Promise<void>, sent: Promise<Stored>): Promise<void> {
    const [, outcome] = await Promise.allSettled([before, sent]);
    try {
      if (outcome.status === "fulfilled") return append.resolve(await this.stored(append, outcome.value));
      const kind = failureKind(outcome.reason);
      this.isKnown = false; // What was assumed of the end did not come true.
      if (kind === "unknown") return append.resolve(await this.stored(append, await this.sendAgain(append, outcome.reason)));
      if (kind === "conflict") return append.resolve(await this.settle(append));
      throw this.refusal(kind, outcome.reason);
    } catch (error) {
      this.isKnown = false;
      append.reject(isRainbowError(error) ? error : this.refusal(failureKind(error), error));
    }
  }

  /** Decides and waits, with nothing under way before it. */
  private async settle(append: Append): Promise<Appended> {
    const { expected, events } = append;
    let state = await this.known();
    let verdict = judgeAppend(state, expected, events.length);
    if (verdict.kind === "conflict") {
      this.isKnown = false; // Others may have appended: only the server's word is a reason to refuse.
      state = await this.known();
      verdict = judgeAppend(state, expected, events.length);
    }
    switch (verdict.kind) {
      case "nothing":
        return { revision: state?.head ?? NO_STREAM, position: this.source.channel.highestPosition as Position, repeated: false };
      case "conflict":
        throw revisionConflict(this.stream, expected, state?.head ?? NO_STREAM);
      case "write":
        return this.stored(append, await this.sendAlone(append, state));
      case "compare":
        return this.compare(append, state!, verdict);
    }
  }

  /** A repeat, by types and data where the events can be read, by the server's memory of ids where they are hidden. */
  private async compare(append: Append, state: StreamState, verdict: Verdict & { readonly kind: "compare" }): Promise<Appended> {
    const { expected, events } = append;
    const [first, last] = [(expected + 1) as Revision, (expected + events.length) as Revision];
    const visibleFrom = state.deleted ? last + 1 : Math.max(first, state.truncatedBefore);
    const conflict = (): Error => revisionConflict(this.stream, expected, state.head);
    const stored = visibleFrom > last ? [] : await this.source.read(this.stream, visibleFrom as Revision, last - visibleFrom + 1);
    const visible = visibleFrom > last ? [] : events.events(events.length - (last - visibleFrom + 1));
    if (visibleFrom <= last && judgeRepeat({ kind: "compare" }, visible, stored) !== "repeat") throw conflict();
    const end = stored.at(-1);
    if (visibleFrom === first && end !== undefined) return { revision: last, position: end.position, repeated: true };
    try {
      const answer = await this.sendAlone(append, state);
      if (answer.revision === last) return { revision: last, position: (end?.position ?? answer.position ?? 0) as Position, repeated: true };
      if (verdict.orWrite === undefined) throw conflict();
      return await this.stored(append, answer);
    } catch (error) {
      if (failureKind(error) === "conflict") throw conflict();
      throw error;
    }
  }

  private async sendAlone(append: Append, state: StreamState | undefined): Promise<Stored> {
    const { channel } = this.source;
    if (state === undefined) await this.source.register(this.stream);
    if (append.events.frameBytes > APPEND_BYTES) {
      const frames = await storeAsParts(channel.connection, this.stream, append.events.events(), (state?.head ?? NO_STREAM) + 1 + append.events.length);
      append.wire = wireOf(append.events, (i) => frames[i]!);
    }
    await channel.room();
    append.positionBefore = channel.highestPosition;
    try {
      return await this.send(append);
    } catch (error) {
      const kind = failureKind(error);
      if (kind === "unknown") return await this.sendAgain(append, error);
      if (kind === "conflict") throw error;
      throw this.refusal(kind, error);
    }
  }

  private async send(append: Append, client?: KurrentDBClient): Promise<Stored> {
    const { channel } = this.source;
    let used = client;
    try {
      used ??= await channel.connection.client();
    } catch (error) {
      channel.giveBack();
      throw error;
    }
    try {
      return await channel.send(used, this.stream, append.expected, append.wire);
    } catch (error) {
      if (failureKind(error) === "unknown") await channel.connection.renew(used);
      throw error;
    }
  }

  /** The same ids and the same expectation, until the server says what became of them. OUTCOME_UNKNOWN when that takes too long. */
  private async sendAgain(append: Append, cause: unknown): Promise<Stored> {
    const { channel } = this.source;
    const { address, limits } = channel.connection;
    const giveUpAtMs = performance.now() + limits.outageMsMax;
    for (let pauseMs = RESEND_MS; performance.now() < giveUpAtMs; pauseMs = Math.min(pauseMs * 2, RESEND_MS_MAX)) {
      await pause(pauseMs);
      await channel.room();
      try {
        return await this.send(append);
      } catch (error) {
        const kind = failureKind(error);
        if (kind === "conflict") throw await this.conflictNow(append, error);
        if (kind !== "unknown") throw this.refusal(kind, error);
        cause = error;
      }
    }
    throw outcomeUnknown(this.stream, address, cause);
  }

  /** Sent again and refused: whatever is there is another's. */
  private async conflictNow(append: Append, cause: unknown): Promise<unknown> {
    this.isKnown = false;
    const state = await this.known();
    const error = revisionConflict(this.stream, append.expected, state?.head ?? NO_STREAM);
    error.cause = cause;
    return error;
  }

  private async stored(append: Append, { revision, position }: Stored): Promise<Appended> {
    const first = (revision - append.events.length + 1) as Revision;
    const isOlder = position === undefined || position <= append.positionBefore;
    if (isOlder && append.events.length > 0) {
      this.isKnown = false; // Stored before this process knew of it: the end is to be asked for.
      return this.compare(append, (await this.known())!, { kind: "compare" });
    }
    const wasDeleted = this.state?.deleted === true || first !== append.expected + 1;
    if (!this.isKnown || wasDeleted || (this.state?.head ?? NO_STREAM) < revision) {
      this.learn({ head: revision, truncatedBefore: wasDeleted ? first : (this.state?.truncatedBefore ?? (0 as Revision)), deleted: false });
    }
    this.durableHead = revision;
    this.source.onStored(this.stream, first, append.events, position ?? 0);
    return { revision, position: (position ?? 0) as Position, repeated: false };
  }

  private learn(state: StreamState | undefined): void {
    this.state = state;
    this.durableHead = state?.head ?? NO_STREAM;
    this.isKnown = true;
  }

  private async known(): Promise<StreamState | undefined> {
    if (!this.isKnown) this.learn(await this.source.fetchState(this.stream));
    return this.state;
  }

  private async landed(): Promise<void> {
    while (this.underWay > 0) await this.landing;
  }

  private refusal(kind: ReturnType<typeof failureKind>, error: unknown): Error {
    const { address } = this.source.channel.connection;
    if (kind === "denied") return denied(address, `append to stream '${this.stream}'`, error);
    if (kind === "tombstoned") return tombstoned(this.stream);
    if (kind === "large")
      return new RainbowError(
        "APPEND_TOO_LARGE",
        `the server's limit of an append is below the usual 1 MiB: raise MaxAppendSize`,
        { stream: this.stream },
        error,
      );
    return outcomeUnknown(this.stream, address, error);
  }
}

function wireOf(events: PackedEvents, frame: (index: number) => Buffer): EventData[] {
  return Array.from({ length: events.length }, (_, i) => ({
    id: events.uuid(i),
    contentType: "application/octet-stream",
    type: events.type(i),
    data: frame(i),
    metadata: undefined,
  }));
}
