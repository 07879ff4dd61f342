/** What a mirror's stream says of its syncs: the newest first, found by walking back over what arrived. */
import { decodeEvent } from "../../events/index.ts";
import type { EventStore, Recorded, StoredEvent } from "../../events/index.ts";
import type { SyncFinished } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";

const PAGE_EVENTS = 1000;
/** A status looks no further back: the start of a first sync may lie millions of arrivals behind its end. */
const LOOK_BACK_EVENTS = 50_000;
const KINDS: ReadonlySet<string> = new Set(["MirrorDefined", "SyncStarted", "SyncFinished", "SyncFailed"]);

/** The events about syncs and definitions, from the newest back. */
export async function* syncEvents(store: EventStore, stream: string, eventsMax = Infinity): AsyncGenerator<Recorded> {
  let from: Revision | undefined;
  for (let looked = 0; looked < eventsMax;) {
    const page = await store.read(stream, { direction: "backwards", maxCount: PAGE_EVENTS, withoutPositions: true, ...(from === undefined ? {} : { from }) });
    for (const event of page) if (KINDS.has(event.type)) yield decodeEvent(event);
    const last: StoredEvent | undefined = page.at(-1);
    if (last === undefined || last.revision === 0) return;
    looked += page.length;
    from = (last.revision - 1) as Revision;
  }
}

export interface SyncHistory {
  readonly lastStartedUs: number | undefined;
  readonly lastEndedUs: number | undefined;
  readonly lastUpdatedUs: number | undefined;
  readonly finished: SyncFinished | undefined;
  /** Of the newest sync that has an end; "" where it did not fail. */
  readonly failure: string;
  /** The newest sync has no end: it goes on, or its process ended. */
  readonly isOpen: boolean;
  /** Since when every sync held its deletes back. */
  readonly heldSinceUs: number | undefined;
}

export async function syncHistory(store: EventStore, stream: string): Promise<SyncHistory> {
  const found: { -readonly [Name in keyof SyncHistory]: SyncHistory[Name] } = {
    lastStartedUs: undefined,
    lastEndedUs: undefined,
    lastUpdatedUs: undefined,
    finished: undefined,
    failure: "",
    isOpen: false,
    heldSinceUs: undefined,
  };
  let isHeld = true; // As far back as was looked.
  for await (const { event, metadata } of syncEvents(store, stream, LOOK_BACK_EVENTS)) {
    if (!isHeld && found.lastStartedUs !== undefined) break;
    const timeUs = metadata.hostTimeUs;
    if (event.type === "SyncStarted" && found.lastStartedUs === undefined) {
      found.lastStartedUs = timeUs;
      found.isOpen = found.lastEndedUs === undefined;
    }
    if (event.type === "SyncFailed" && found.lastEndedUs === undefined) found.failure = event.message;
    if (event.type === "SyncFailed" || event.type === "SyncFinished") found.lastEndedUs ??= timeUs;
    if (event.type !== "SyncFinished") continue;
    found.lastUpdatedUs ??= timeUs;
    found.finished ??= event;
    if (event.heldBecause === "") isHeld = false;
    if (isHeld) found.heldSinceUs = timeUs;
  }
  found.lastStartedUs ??= found.lastEndedUs;
  return found;
}
