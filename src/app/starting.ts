/**
 * What a starting Rainbow answers while its stores are being opened: `status` at once, with how far the replay of events is; everything
 * else waits a little for the real table, and says BUSY where that takes longer.
 */
import { RainbowError } from "../core/index.ts";
import type { Clock } from "../core/index.ts";
import type { Operations, ReplayStatus, StatusAnswer } from "./operations/index.ts";
import { EMBEDDED, rememberedEvents } from "./events-choice.ts";
import { shown } from "./open-events.ts";
import { OPERATIONS_MANIFEST } from "./socket/index.ts";
import type { Shape } from "./socket/index.ts";

const WAIT_MS = 5000; // Nearly every start is over by then; whoever asks at the wrong moment gets an answer all the same.
const STEP_MS = 50;

type Method = (request: unknown, signal?: AbortSignal, asker?: unknown) => unknown;

export interface StartingOptions {
  readonly clock: Clock;
  readonly dataDirectory: string;
  readonly machine: string;
  readonly label: string;
  readonly version: string;
}

export class Starting {
  /** The whole table, from now on and for good. */
  readonly operations: Operations;
  private readonly options: StartingOptions;
  private readonly startedUs: number;
  private replay: ReplayStatus | undefined;
  private opened: Operations | undefined;

  constructor(options: StartingOptions) {
    this.options = options;
    this.startedUs = options.clock.monotonicUs();
    this.operations = this.table();
  }

  /** The replay has done so many events of so many. */
  note(doneEvents: number, allEvents: number): ReplayStatus {
    const seconds = (this.options.clock.monotonicUs() - this.startedUs) / 1e6;
    const eventsPerSecond = seconds > 0 ? Math.round(doneEvents / seconds) : 0;
    const secondsLeft = eventsPerSecond > 0 ? Math.ceil((allEvents - doneEvents) / eventsPerSecond) : undefined;
    this.replay = { doneEvents, allEvents, eventsPerSecond, secondsLeft };
    return this.replay;
  }

  /** Everything is answered by `operations` from here on. */
  open(operations: Operations): void {
    this.opened = operations;
  }

  private table(): Operations {
    const methods = Object.entries(OPERATIONS_MANIFEST).map(([name, shape]) => [name, this.method(name as keyof Operations, shape)]);
    return Object.fromEntries(methods) as Operations;
  }

  private method(name: keyof Operations, shape: Shape): Method {
    const ask = (operations: Operations, ...given: Parameters<Method>): unknown => (operations[name] as Method)(...given);
    const ready = (): Promise<Operations> => this.ready();
    if (shape === "stream")
      return async function* (...given) {
        yield* ask(await ready(), ...given) as AsyncIterable<unknown>;
      };
    if (name === "status") return async (...given) => (this.opened === undefined ? this.status() : await ask(this.opened, ...given));
    return async (...given) => await ask(await ready(), ...given);
  }

  private async ready(): Promise<Operations> {
    const { clock } = this.options;
    const untilUs = clock.monotonicUs() + WAIT_MS * 1000;
    while (this.opened === undefined) {
      if (clock.monotonicUs() >= untilUs) throw new RainbowError("BUSY", `Rainbow is starting (${this.text()}): ask again in a moment`, { ...this.replay });
      await clock.sleep(STEP_MS);
    }
    return this.opened;
  }

  private text(): string {
    return this.replay === undefined ? "it opens its stores" : `it has replayed ${this.replay.doneEvents} of ${this.replay.allEvents} events`;
  }

  private status(): StatusAnswer {
    const { dataDirectory, machine, label, version } = this.options;
    return {
      running: true,
      pid: process.pid,
      version,
      dataDirectory,
      machine,
      label,
      state: "starting",
      reasons: [this.text()],
      replay: this.replay,
      source: "none",
      limits: [],
      lacks: [],
      roots: [],
      mirrors: [],
      scan: undefined,
      dirtyCount: 0,
      unacknowledgedBatches: 0,
      headRevision: 0,
      headTimeUs: 0,
      windowRevision: 0,
      windowTimeUs: 0,
      gaps: [],
      storedBytes: 0,
      payloadBytes: 0,
      metadataBytes: 0,
      eventBytes: 0,
      freeDiskBytes: 0,
      quotaBytes: 0,
      retentionNotices: [],
      auditNotices: [],
      events: shown(rememberedEvents(dataDirectory) ?? EMBEDDED),
    };
  }
}
