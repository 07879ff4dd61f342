/** The retention actor's life: waiting -> looking -> waiting …, until stopped. A look that failed is said, and tried again. */
import { assign, fromPromise, setup } from "xstate";
import type { KeeperReport } from "./keeper.ts";

const FIRST_LOOK_MS = 60_000; // A start has more urgent work.
const LOOK_MS = 10 * 60_000; // A snapshot that is due an hour comes in time; a look costs a few milliseconds.
const PRESSED_MS = 15_000;

export interface RetentionState {
  readonly report: KeeperReport | undefined;
  /** Why the last look failed; undefined while all is well. */
  readonly failure: unknown;
}

export const retentionActor = setup({
  types: { context: {} as RetentionState, events: {} as { readonly type: "PRESSED" } },
  actors: { look: fromPromise<KeeperReport>(() => Promise.reject(new Error("look is provided by the app"))) },
  delays: { firstLookMs: FIRST_LOOK_MS, lookMs: ({ context }) => (context.report?.isFull === true ? PRESSED_MS : LOOK_MS) },
}).createMachine({
  id: "retention",
  context: { report: undefined, failure: undefined },
  initial: "starting",
  states: {
    starting: { after: { firstLookMs: "looking" }, on: { PRESSED: "looking" } },
    looking: {
      invoke: {
        src: "look",
        onDone: { target: "waiting", actions: assign({ report: ({ event }) => event.output, failure: undefined }) },
        onError: { target: "waiting", actions: assign({ failure: ({ event }) => event.error }) },
      },
    },
    waiting: { after: { lookMs: "looking" }, on: { PRESSED: "pressed" } },
    /** New data found no room: soon, and not at once again. */
    pressed: { after: { [PRESSED_MS]: "looking" } },
  },
});
