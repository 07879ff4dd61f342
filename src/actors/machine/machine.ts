/**
 * The machine actor's life: opening -> serving -> (a failure) reopening -> opening …, until closing -> closed. It knows only waiting
 * and retries; what is true is in the stream. A failure while serving never ends it: an agent's writes wait in its spool meanwhile.
 */
import { assign, fromPromise, setup } from "xstate";
import { isRainbowError } from "../../core/index.ts";
import type { OpenedMachine } from "./open.ts";

const REOPEN_MS = 2000; // Long enough not to spin on a broken disk, short enough that nobody restarts by hand.

export interface MachineContext {
  readonly opened: OpenedMachine | undefined;
  /** Why it last failed; undefined while all is well. */
  readonly failure: unknown;
  readonly hasServed: boolean;
}
export type MachineSignal = { readonly type: "INGEST_FAILED"; readonly cause: unknown } | { readonly type: "CLOSE" };

const setUp = setup({
  types: { context: {} as MachineContext, events: {} as MachineSignal },
  actors: {
    open: fromPromise<OpenedMachine>(() => Promise.reject(new Error("open is provided by the app"))),
    close: fromPromise<void, OpenedMachine | undefined>(() => Promise.reject(new Error("close is provided by the app"))),
  },
  delays: { reopenMs: REOPEN_MS },
  guards: {
    /** The server of the event store is away for longer than it waits by itself: what was served once goes on when it is back. */
    mayComeBack: ({ context, event }) => context.hasServed && "error" in event && isRainbowError(event.error, "STORE_UNREACHABLE", "OUTCOME_UNKNOWN"),
  },
  actions: {
    forget: assign({ opened: undefined }),
  },
});

export const machineActor = setUp.createMachine({
  id: "machine",
  context: { opened: undefined, failure: undefined, hasServed: false },
  initial: "opening",
  states: {
    opening: {
      invoke: {
        src: "open",
        onDone: { target: "serving", actions: assign({ opened: ({ event }) => event.output, failure: undefined, hasServed: true }) },
        onError: [
          { guard: "mayComeBack", target: "waiting", actions: assign({ failure: ({ event }) => event.error }) },
          { target: "broken", actions: assign({ failure: ({ event }) => event.error }) },
        ],
      },
      on: { CLOSE: "closed" },
    },
    serving: {
      on: {
        INGEST_FAILED: { target: "reopening", actions: assign({ failure: ({ event }) => event.cause }) },
        CLOSE: "closing",
      },
    },
    reopening: {
      invoke: {
        src: "close",
        input: ({ context }) => context.opened,
        onDone: { target: "waiting", actions: "forget" },
        onError: { target: "waiting", actions: "forget" }, // It failed already: what matters is that it is not used any more.
      },
    },
    waiting: { after: { reopenMs: "opening" }, on: { CLOSE: "closed" } },
    /** The first opening or a later one failed: the host decides (damage is not mended by trying again). */
    broken: { on: { CLOSE: "closed" } },
    closing: {
      invoke: {
        src: "close",
        input: ({ context }) => context.opened,
        onDone: { target: "closed", actions: "forget" },
        onError: { target: "closed", actions: assign({ opened: undefined, failure: ({ event }) => event.error }) },
      },
    },
    closed: { type: "final" },
  },
});
