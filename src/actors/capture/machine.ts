/**
 * The capture actor: what state the protection of this machine is in. It is fed by capture's own status reports (batches and files
 * never pass through it) and answers one question for people: is everything below the roots being protected right now?
 */
import { assign, setup } from "xstate";
import type { CaptureStatus } from "../../capture/index.ts";

export interface CaptureContext {
  readonly status: CaptureStatus | undefined;
  /** Why the host takes no batches just now ("no space is left on the disk"); "" while it does. */
  readonly blockedBy: string;
}
export type CaptureSignal =
  | { readonly type: "STATUS"; readonly status: CaptureStatus }
  | { readonly type: "BLOCKED"; readonly reason: string }
  | { readonly type: "UNBLOCKED" }
  | { readonly type: "STOP" };

/** Reasons for which protection is incomplete now; empty where it is whole. */
export function reasonsOf({ status, blockedBy }: CaptureContext): string[] {
  const reasons = blockedBy === "" ? [] : [blockedBy];
  for (const root of status?.roots ?? [])
    if (root.state === "missing") reasons.push(`'${Buffer.from(root.path, "latin1").toString()}' is missing: unmounted, removed or replaced`);
  for (const gap of status?.openGaps ?? [])
    if (gap.reason !== "root-missing" && gap.reason !== "paused" && gap.reason !== "first-scan") reasons.push(`${gap.reason}: ${gap.detail}`);
  return reasons;
}

export const captureActor = setup({
  types: { context: {} as CaptureContext, events: {} as CaptureSignal },
  guards: {
    isPaused: ({ context }) => context.status?.roots.some((root) => root.state === "paused") === true,
    isScanning: ({ context }) =>
      context.status?.scan !== undefined || context.status?.roots.some((root) => !root.firstScanDone && root.state !== "missing") === true,
    hasRoots: ({ context }) => (context.status?.roots.length ?? 0) > 0,
    isIncomplete: ({ context }) => reasonsOf(context).length > 0,
  },
}).createMachine({
  id: "capture",
  context: { status: undefined, blockedBy: "" },
  initial: "starting",
  on: {
    STATUS: { target: ".deciding", actions: assign({ status: ({ event }) => event.status }) },
    BLOCKED: { target: ".deciding", actions: assign({ blockedBy: ({ event }) => event.reason }) },
    UNBLOCKED: { target: ".deciding", actions: assign({ blockedBy: "" }) },
    STOP: ".stopped",
  },
  states: {
    starting: {},
    deciding: {
      always: [
        { guard: "isPaused", target: "paused" },
        { guard: "isIncomplete", target: "degraded" },
        { guard: "isScanning", target: "scanning" },
        { guard: "hasRoots", target: "protecting" },
        { target: "idle" },
      ],
    },
    idle: {},
    scanning: {},
    protecting: {},
    degraded: {},
    paused: {},
    stopped: { type: "final" },
  },
});
