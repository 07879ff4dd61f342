/** The proof that the stored history is whole, as answers: what a running host and a command that opens the store alone say of it. */
import { headsOf, headsText, parseHeads, verifyHistory } from "../../actors/audit/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { OperationsContext } from "./context.ts";
import type { BrokenItem, Operations, ProgressItem, UnprovenItem, VerifiedItem } from "./types.ts";

export type ProofItem = ProgressItem | VerifiedItem | BrokenItem | UnprovenItem;

export function proving({ host }: OperationsContext): Pick<Operations, "verify" | "heads"> {
  return {
    verify: ({ head }, signal) => proofOf(host.eventStore, head, signal),
    heads: () => headsIn(host.eventStore),
  };
}

/** `head`: what `heads` gave once, kept elsewhere. */
export async function* proofOf(store: EventStore, head: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<ProofItem> {
  const options = { ...(head === undefined ? {} : { heads: parseHeads(head) }), ...(signal === undefined ? {} : { signal }) };
  for await (const item of verifyHistory(store, options)) {
    if (item.type !== "step") yield item;
    else yield { type: "progress", phase: `verifying ${item.stream}`, doneBytes: 0, allBytes: 0, doneCount: item.doneEvents, allCount: item.allEvents };
  }
}

export async function headsIn(store: EventStore): Promise<string> {
  return headsText(await headsOf(store));
}
