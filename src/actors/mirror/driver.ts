/**
 * Carries a session over a connection: one event at a time, bytes only when the session has worked off what it was given. So whoever
 * is slow with an event slows the server down, and nothing piles up here.
 */
import type { Clock } from "../../core/index.ts";
import type { Session, SessionEvent } from "../../rsync/index.ts";
import type { Wire } from "./wire.ts";

/** Most servers end after minutes of silence, some after one; a frame of 4 bytes a few times a minute keeps all of them. */
const PULSE_MS = 15_000;

/** Takes one event. Where a promise is returned, it is waited for before the session goes on. */
export type TakeEvent = (event: SessionEvent) => void | Promise<void>;

/** Runs the session to its end; throws what ended it before. The wire is closed in any case. */
export async function carry(session: Session, wire: Wire, take: TakeEvent, clock: Clock, signal: AbortSignal): Promise<void> {
  const pulse = new AbortController();
  const stop = (): void => wire.close();
  signal.addEventListener("abort", stop, { once: true });
  void beat(session, wire, clock, pulse.signal);
  try {
    for (;;) {
      signal.throwIfAborted();
      for (let event = session.next(); event !== undefined; event = session.next()) {
        const taken = take(event);
        if (taken === undefined) continue;
        await taken;
        signal.throwIfAborted();
      }
      send(session, wire);
      if (session.isFinished) return;
      const bytes = await wire.read();
      if (bytes === undefined) session.feedEnd();
      else session.feed(bytes);
    }
  } finally {
    pulse.abort();
    signal.removeEventListener("abort", stop);
    send(session, wire); // A server that gives up wants to know that we heard it.
    wire.close();
  }
}

function send(session: Session, wire: Wire): void {
  wire.write(session.takeOutput());
}

/** Tells the server that we are still there, also while an event is being worked off. */
async function beat(session: Session, wire: Wire, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(PULSE_MS, signal);
    if (signal.aborted) return;
    session.keepAlive();
    send(session, wire);
  }
}
