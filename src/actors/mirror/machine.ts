/**
 * The mirror actor's life. A sync is one effect, and tells which phase it is in; the machine knows waiting, coalescing and retries.
 *
 *   waiting ──(due, TRIGGER)──> syncing: connecting ─> listing ─> comparing <─> fetching ─> publishing ─> deleting ─> committing ─> scrubbing
 *      ^  ^                        │                                                                                                    │
 *      │  └────────(done)──────────┼────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *      │                           └──(it may work later)──> backingOff ──> syncing
 *      └──────────(a person must look)──────┘
 */
import { assign, fromPromise, setup } from "xstate";
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { SyncOutcome, SyncPhase } from "./report.ts";

const RETRY_MS_MIN = 5000;
const RETRY_MS_MAX = 30 * 60_000; // A server that is down for a day is asked some fifty times.
const HELD_MS_MAX = 24 * 3600_000; // Doubts that last a day do not go away by themselves.
const DELAY_MS_MAX = 2 ** 31 - 1; // A longer timer fires at once.

export interface MirrorInput {
  /** Time between the starts of two syncs; undefined: only when somebody asks. */
  readonly everyMs: number | undefined;
  /** When the last one started, as far as that is known from before. */
  readonly lastStartedMs: number | undefined;
  readonly nowMs: () => number;
  /** At random from 0 up to 1: mirrors of one server do not come back at the same moment. */
  readonly jitter: () => number;
}

export interface MirrorContext extends MirrorInput {
  /** What asked for the sync that runs, or for the next one. */
  readonly cause: string;
  /** Somebody asked while a sync ran: all who did are served by one more. */
  readonly isWanted: boolean;
  readonly attemptCount: number;
  readonly failure: unknown;
  readonly lastEndedMs: number | undefined;
  /** The last sync that reached its end. */
  readonly outcome: SyncOutcome | undefined;
  readonly lastUpdatedMs: number | undefined;
  readonly heldSinceMs: number | undefined;
}

export type MirrorSignal =
  | { readonly type: "TRIGGER"; readonly cause: string }
  | { readonly type: "PHASE"; readonly phase: SyncPhase }
  /** Ends it at once. The signal of a sync that runs is aborted; whoever provides it waits for its end. */
  | { readonly type: "STOP" };

/** Whether the same may work when it is tried again without anybody's doing. */
export function mayWorkLater(error: unknown): boolean {
  return isRainbowError(error) && error.retry !== "never";
}

/** How long to wait before the next attempt, from half of it to all of it at random. */
export function retryDelayMs(attemptCount: number, jitter: number): number {
  const longestMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attemptCount - 1, 16));
  return Math.round(longestMs * (0.5 + jitter / 2));
}

/** When the next sync starts by itself; undefined where it does not. */
export function nextStartMs({ everyMs, lastStartedMs, nowMs }: MirrorInput): number | undefined {
  if (everyMs === undefined) return undefined;
  return lastStartedMs === undefined ? nowMs() : Math.max(nowMs(), lastStartedMs + everyMs);
}

/** Why somebody should look at this mirror; empty where all is well. */
export function mirrorAlarms(context: Pick<MirrorContext, "failure" | "heldSinceMs" | "outcome" | "nowMs">): string[] {
  const { failure, heldSinceMs, outcome } = context;
  const alarms = failure === undefined ? [] : [failure instanceof Error ? failure.message : "the last sync failed for no known reason"];
  if (heldSinceMs === undefined || outcome === undefined || context.nowMs() - heldSinceMs < HELD_MS_MAX) return alarms;
  const by = outcome.heldBy === ("" as ByteString) ? "" : ` ('${Buffer.from(outcome.heldBy, "latin1").toString()}')`;
  return [...alarms, `nothing was removed for ${Math.floor((context.nowMs() - heldSinceMs) / 3600_000)} hours: ${outcome.heldBecause}${by}`];
}

export const mirrorActor = setup({
  types: { input: {} as MirrorInput, context: {} as MirrorContext, events: {} as MirrorSignal },
  actors: { sync: fromPromise<SyncOutcome, { readonly cause: string }>(() => Promise.reject(new Error("sync is provided by the app"))) },
  delays: {
    dueMs: ({ context }) => Math.min(DELAY_MS_MAX, Math.max(0, (nextStartMs(context) ?? Infinity) - context.nowMs())),
    retryMs: ({ context }) => retryDelayMs(context.attemptCount, context.jitter()),
  },
  guards: {
    isScheduled: ({ context }) => context.everyMs !== undefined,
    isWanted: ({ context }) => context.isWanted,
    mayWorkLater: (_, parameters: { readonly cause: unknown }) => mayWorkLater(parameters.cause),
    isPhase: (_, parameters: { readonly is: boolean }) => parameters.is,
  },
  actions: {
    want: assign({ isWanted: true, cause: (_, parameters: { readonly cause: string }) => parameters.cause }),
    begin: assign({ isWanted: false, lastStartedMs: ({ context }) => context.nowMs() }),
    succeed: assign({
      attemptCount: 0,
      failure: undefined,
      outcome: (_, parameters: { readonly outcome: SyncOutcome }) => parameters.outcome,
      lastEndedMs: ({ context }) => context.nowMs(),
      lastUpdatedMs: ({ context }) => context.nowMs(),
      heldSinceMs: ({ context }, { outcome }: { readonly outcome: SyncOutcome }) =>
        outcome.isUnchanged ? context.heldSinceMs : outcome.heldBecause === "" ? undefined : (context.heldSinceMs ?? context.nowMs()),
    }),
    fail: assign({
      attemptCount: ({ context }) => context.attemptCount + 1,
      failure: (_, parameters: { readonly cause: unknown }) => parameters.cause,
      lastEndedMs: ({ context }) => context.nowMs(),
    }),
  },
}).createMachine({
  id: "mirror",
  context: ({ input }) => ({
    ...input,
    cause: "schedule",
    isWanted: false,
    attemptCount: 0,
    failure: undefined,
    lastEndedMs: undefined,
    outcome: undefined,
    lastUpdatedMs: undefined,
    heldSinceMs: undefined,
  }),
  initial: "waiting",
  states: {
    waiting: {
      always: { guard: "isWanted", target: "syncing" },
      initial: "deciding",
      states: {
        deciding: { always: [{ guard: "isScheduled", target: "scheduled" }, { target: "idle" }] },
        idle: {},
        /** A timer has a longest time: then it is set anew. */
        scheduled: {
          after: { dueMs: [{ guard: ({ context }) => (nextStartMs(context) ?? Infinity) <= context.nowMs(), target: "due" }, { target: "deciding" }] },
        },
        due: { always: { target: "#mirror.syncing", actions: assign({ cause: "schedule" }) } },
      },
      on: { TRIGGER: { actions: { type: "want", params: ({ event }) => ({ cause: event.cause }) } }, STOP: "stopped" },
    },
    syncing: {
      entry: "begin",
      invoke: {
        src: "sync",
        input: ({ context }) => ({ cause: context.cause }),
        onDone: { target: "waiting", actions: { type: "succeed", params: ({ event }) => ({ outcome: event.output }) } },
        onError: [
          {
            guard: { type: "mayWorkLater", params: ({ event }) => ({ cause: event.error }) },
            target: "backingOff",
            actions: { type: "fail", params: ({ event }) => ({ cause: event.error }) },
          },
          { target: "waiting", actions: { type: "fail", params: ({ event }) => ({ cause: event.error }) } },
        ],
      },
      initial: "connecting",
      states: { connecting: {}, listing: {}, comparing: {}, fetching: {}, publishing: {}, deleting: {}, committing: {}, scrubbing: {} },
      on: {
        TRIGGER: { actions: { type: "want", params: ({ event }) => ({ cause: event.cause }) } },
        PHASE: [
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "connecting" }) }, target: ".connecting" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "listing" }) }, target: ".listing" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "comparing" }) }, target: ".comparing" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "fetching" }) }, target: ".fetching" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "publishing" }) }, target: ".publishing" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "deleting" }) }, target: ".deleting" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "committing" }) }, target: ".committing" },
          { guard: { type: "isPhase", params: ({ event }) => ({ is: event.phase === "scrubbing" }) }, target: ".scrubbing" },
        ],
        STOP: "stopped",
      },
    },
    /** Whoever asks meanwhile is served at once: he may know that the server is back. */
    backingOff: {
      after: { retryMs: "syncing" },
      on: { TRIGGER: { target: "syncing", actions: assign({ cause: ({ event }) => event.cause }) }, STOP: "stopped" },
    },
    stopped: { type: "final" },
  },
});
