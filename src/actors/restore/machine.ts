/**
 * The restore's machine: it knows waiting and failing, nothing of files. Effects come by provide().
 *
 *   planning ──> confirming ──> writing ──> finishing ──> done
 *      │   └─────(no hold)─────────^            │
 *      │             └──(declined)──> done      │
 *      └──────────── any failure ──> failed <───┘
 */
import { assign, fromPromise, setup } from "xstate";
import type { RestorePlan } from "./request.ts";

export interface RestoreInput {
  /** Someone wants to see the plan before anything is written. */
  readonly isHeld: boolean;
  readonly isDryRun: boolean;
}

interface RestoreContext extends RestoreInput {
  readonly plan: RestorePlan | undefined;
  readonly failure: unknown;
}

const unprovided = (name: string) => (): Promise<never> => Promise.reject(new Error(`the actor '${name}' is not provided`));

export const restoreMachine = setup({
  types: { input: {} as RestoreInput, context: {} as RestoreContext },
  actors: {
    surveyTree: fromPromise<RestorePlan>(unprovided("surveyTree")),
    askHolder: fromPromise<boolean, RestorePlan>(unprovided("askHolder")),
    writeTree: fromPromise<void, RestorePlan>(unprovided("writeTree")),
    finishTarget: fromPromise<void>(unprovided("finishTarget")),
  },
  guards: {
    isUnheld: ({ context }) => !context.isHeld || context.isDryRun,
    isGranted: (_, params: { granted: boolean }) => params.granted,
    isOnlyTold: ({ context }) => context.isDryRun,
  },
  actions: {
    keepPlan: assign({ plan: (_, params: { plan: RestorePlan }) => params.plan }),
    keepFailure: assign({ failure: (_, params: { error: unknown }) => params.error }),
  },
}).createMachine({
  id: "restore",
  context: ({ input }) => ({ ...input, plan: undefined, failure: undefined }),
  initial: "planning",
  states: {
    planning: {
      invoke: {
        src: "surveyTree",
        onDone: [
          { guard: "isUnheld", target: "writing", actions: { type: "keepPlan", params: ({ event }) => ({ plan: event.output }) } },
          { target: "confirming", actions: { type: "keepPlan", params: ({ event }) => ({ plan: event.output }) } },
        ],
        onError: { target: "failed", actions: { type: "keepFailure", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    confirming: {
      invoke: {
        src: "askHolder",
        input: ({ context }) => context.plan as RestorePlan,
        onDone: [{ guard: { type: "isGranted", params: ({ event }) => ({ granted: event.output }) }, target: "writing" }, { target: "done" }],
        onError: { target: "failed", actions: { type: "keepFailure", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    writing: {
      invoke: {
        src: "writeTree",
        input: ({ context }) => context.plan as RestorePlan,
        onDone: [{ guard: "isOnlyTold", target: "done" }, { target: "finishing" }],
        onError: { target: "failed", actions: { type: "keepFailure", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    finishing: {
      invoke: {
        src: "finishTarget",
        onDone: "done",
        onError: { target: "failed", actions: { type: "keepFailure", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    done: { type: "final" },
    failed: { type: "final" },
  },
});
