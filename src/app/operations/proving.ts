/** The proof that the stored history is whole, as answers: what a running host and a command that opens the store alone say of it. */
import { headsOf, headsText, parseHeads, verifyHistory } from "../../actors/audit/index.ts";
import { RainbowError } from "../../core/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { OperationsContext } from "./context.ts";
import type { BrokenItem, Operations, ProgressItem, UnprovenItem, VerifiedItem } from "./types.ts";

export type ProofItem = ProgressItem | VerifiedItem | BrokenItem | UnprovenItem;

/** Whose streams: a machine that a store keeps beside others, by its label or UUID. */
export interface ProofOf {
  readonly head?: string | undefined;
  readonly machine: string | undefined;
}

/** The UUID of what was named; NOT_FOUND where it is another machine's label. */
export function machineNamed(named: string | undefined, own: { readonly machine: string; readonly label: string }): string | undefined {
  if (named === undefined || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(named)) return named;
  if (named === own.label) return own.machine;
  throw new RainbowError("NOT_FOUND", `no machine '${named}' is known here: name it by its UUID (this one is ${own.label}, ${own.machine})`, {
    machine: named,
  });
}

export function proving(context: OperationsContext): Pick<Operations, "verify" | "heads"> {
  const { host } = context;
  return {
    verify: (request, signal) => proofOf(host.eventStore, { ...request, machine: machineNamed(request.machine, context) }, signal),
    heads: ({ machine }) => headsIn(host.eventStore, machineNamed(machine, context)),
  };
}

/** `head`: what `heads` gave once, kept elsewhere. */
export async function* proofOf(store: EventStore, { head, machine }: ProofOf, signal: AbortSignal | undefined): AsyncGenerator<ProofItem> {
  const options = { machine, ...(head === undefined ? {} : { heads: parseHeads(head) }), ...(signal === undefined ? {} : { signal }) };
  for await (const item of verifyHistory(store, options)) {
    if (item.type !== "step") yield item;
    else yield { type: "progress", phase: `verifying ${item.stream}`, doneBytes: 0, allBytes: 0, doneCount: item.doneEvents, allCount: item.allEvents };
  }
}

export async function headsIn(store: EventStore, machine: string | undefined): Promise<string> {
  return headsText(await headsOf(store, machine));
}
