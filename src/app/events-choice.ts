/**
 * Where a data directory's events are: in its own events.lmdb, or on a server. The choice is remembered in the file EVENTS (mode 0600, as
 * an address may hold a password), so that every later command uses the same store. Another one is taken only where it has the same
 * history: nothing ever falls back to the embedded store by itself, and nothing is made anew beside a history that is elsewhere.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import type { EventStore } from "../events/index.ts";
import { writeDurably } from "./durable-file.ts";

export const EMBEDDED = "embedded";
const CHOICE_FILE = "EVENTS";

/** "embedded", or an address; undefined where nothing was remembered, which means embedded. STORE_CORRUPT where it cannot be read. */
export function rememberedEvents(directory: string): string | undefined {
  const path = join(directory, CHOICE_FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const [, value] = /^\{\s*"events":\s*"([^"\\]+)"\s*\}\s*$/.exec(text) ?? [];
  if (value === undefined)
    throw new RainbowError("STORE_CORRUPT", `${path}: does not say where the events are; it holds {"events": "embedded"} or {"events": "esdb://…"}`, { path });
  return value;
}

export function rememberEvents(directory: string, choice: string): void {
  if (choice !== (rememberedEvents(directory) ?? EMBEDDED)) writeDurably(join(directory, CHOICE_FILE), `${JSON.stringify({ events: choice })}\n`);
}

/** Whether the events lie in the directory itself. */
export function hasOwnEvents(directory: string): boolean {
  return (rememberedEvents(directory) ?? EMBEDDED) === EMBEDDED;
}

/** NO_STORE or STORE_CORRUPT where `other` does not go on from what `known` has of the machine's stream. */
export async function refuseOtherHistory(known: EventStore, other: EventStore, stream: string, advice: string): Promise<void> {
  const { headRevision } = await known.info(stream);
  if (headRevision < 0) return;
  const { headRevision: otherHead } = await other.info(stream);
  const isThere = otherHead >= headRevision && (await idAt(known, stream, headRevision)) === (await idAt(other, stream, headRevision));
  if (isThere) return;
  const what = otherHead < 0 ? "it has no events of this machine" : `its history ends at revision ${otherHead} or is another one (here: ${headRevision})`;
  throw new RainbowError("NO_STORE", `the other event store cannot be used: ${what}; ${advice}`, { stream, headRevision, otherHead });
}

async function idAt(store: EventStore, stream: string, revision: Revision): Promise<string | undefined> {
  const [event] = await store.read(stream, { direction: "backwards", from: revision, maxCount: 1, withoutPositions: true });
  return event?.revision === revision ? Buffer.from(event.id).toString("hex") : undefined;
}
