/**
 * The upload actor's life: connecting -> sending -> (a failure) waiting -> connecting …; DRAIN lets what capture still holds go out
 * and ends it. Each session gets a new epoch; capture reconciles what a lost session left open.
 */
import { assign, fromPromise, setup } from "xstate";

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 30_000; // A host that comes back is found within half a minute.

export interface UploadContext {
  readonly attemptCount: number;
  readonly failure: unknown;
  /** No further session is wanted: what the present one cannot send is left to the next start. */
  readonly isDraining: boolean;
}
export type UploadSignal = { readonly type: "DRAIN" };

export const uploadActor = setup({
  types: { context: {} as UploadContext, events: {} as UploadSignal },
  actors: {
    /** Opens a session and starts capture with it. */
    connect: fromPromise<void>(() => Promise.reject(new Error("connect is provided by the app"))),
    /** Sends until capture ends; rejects when the session is lost. */
    send: fromPromise<void>(() => Promise.reject(new Error("send is provided by the app"))),
  },
  delays: { retryMs: ({ context }) => Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(context.attemptCount, 10)) },
  actions: {
    settle: assign({ attemptCount: 0, failure: undefined }),
    drain: assign({ isDraining: true }),
    fail: assign({
      attemptCount: ({ context }) => context.attemptCount + 1,
      failure: (_, parameters: { readonly cause: unknown }) => parameters.cause,
    }),
  },
  guards: { isDraining: ({ context }) => context.isDraining },
}).createMachine({
  id: "upload",
  context: { attemptCount: 0, failure: undefined, isDraining: false },
  initial: "connecting",
  states: {
    connecting: {
      invoke: {
        src: "connect",
        onDone: { target: "sending", actions: "settle" },
        onError: { target: "waiting", actions: { type: "fail", params: ({ event }) => ({ cause: event.error }) } },
      },
      on: { DRAIN: { actions: "drain" } },
    },
    sending: {
      invoke: {
        src: "send",
        onDone: "drained",
        onError: { target: "waiting", actions: { type: "fail", params: ({ event }) => ({ cause: event.error }) } },
      },
      on: { DRAIN: { actions: "drain" } },
    },
    waiting: { always: { guard: "isDraining", target: "drained" }, after: { retryMs: "connecting" }, on: { DRAIN: "drained" } },
    drained: { type: "final" },
  },
});
