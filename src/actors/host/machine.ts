/**
 * The host actor's life: opening -> running -> draining -> closing -> closed, or failed. Draining lets what was captured become
 * durable before the stores close; a second CLOSE skips the wait.
 */
import { assign, fromPromise, setup } from "xstate";

const DRAIN_MS_MAX = 30_000; // What is not durable by then is found again by the next start's reconcile.

export interface HostContext {
  readonly failure: unknown;
}
export type HostSignal = { readonly type: "CLOSE" } | { readonly type: "BROKEN"; readonly cause: unknown };

const missing = (): Promise<never> => Promise.reject(new Error("the host's effects are provided by the app"));

export const hostActor = setup({
  types: { context: {} as HostContext, events: {} as HostSignal },
  actors: {
    /** Opens the stores and every machine in them. */
    open: fromPromise<void>(missing),
    /** Stops capture and waits until what it held is acknowledged. */
    drain: fromPromise<void>(missing),
    /** Builds the last tree and closes the stores; releases the data directory. */
    close: fromPromise<void>(missing),
  },
  delays: { drainMs: DRAIN_MS_MAX },
  actions: { note: assign({ failure: (_, parameters: { readonly cause: unknown }) => parameters.cause }) },
}).createMachine({
  id: "host",
  context: { failure: undefined },
  initial: "opening",
  states: {
    opening: {
      invoke: { src: "open", onDone: "running", onError: { target: "failing", actions: { type: "note", params: ({ event }) => ({ cause: event.error }) } } },
    },
    running: {
      on: { CLOSE: "draining", BROKEN: { target: "failing", actions: { type: "note", params: ({ event }) => ({ cause: event.cause }) } } },
    },
    draining: {
      invoke: { src: "drain", onDone: "closing", onError: { target: "closing", actions: { type: "note", params: ({ event }) => ({ cause: event.error }) } } },
      after: { drainMs: "closing" },
      on: { CLOSE: "closing", BROKEN: "closing" },
    },
    closing: {
      invoke: { src: "close", onDone: "closed", onError: { target: "failed", actions: { type: "note", params: ({ event }) => ({ cause: event.error }) } } },
    },
    /** Opening or running failed: what is open is closed all the same. */
    failing: { invoke: { src: "close", onDone: "failed", onError: "failed" } },
    closed: { type: "final" },
    failed: { type: "final" },
  },
});
