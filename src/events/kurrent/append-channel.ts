/**
 * Appends over one long-lived connection: a bounded window of them under way, each with a deadline of its own. The window stays below
 * 16 messages, where the client's stream pushes back: an append that waits inside the client ends the process when the stream breaks.
 */
import type { EventData, KurrentDBClient } from "@kurrent/kurrentdb-client";
import { NO_STREAM } from "../event-store.ts";
import type { Revision } from "../../core/index.ts";
import { within } from "./connection.ts";
import type { Connection } from "./connection.ts";

const WINDOW_APPENDS = 12;
const WIRE_BYTES_MAX = 15 << 20; // The client cuts an append into messages of this size; cut ones would be overtaken.

export interface Stored {
  readonly revision: Revision;
  /** undefined where the server answers a repeat whose events are truncated. */
  readonly position: number | undefined;
}

export class AppendChannel {
  readonly connection: Connection;
  /** The highest position that was answered so far. */
  highestPosition = 0;
  private free = WINDOW_APPENDS;
  private waiting: (() => void)[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Resolves when another append may be sent; each is given back by `send`. In the order of the calls. */
  async room(): Promise<void> {
    if (this.free > 0 && this.waiting.length === 0) {
      this.free -= 1;
      return;
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Sends at once, so that what is sent later comes later. The caller holds room. Rejects as the client does, or after the deadline. */
  async send(client: KurrentDBClient, stream: string, expected: Revision, events: EventData[]): Promise<Stored> {
    try {
      const streamState = expected === NO_STREAM ? "no_stream" : BigInt(expected);
      const sent = client.appendToStream(stream, events, { streamState, batchAppendSize: WIRE_BYTES_MAX });
      const { nextExpectedRevision, position } = await within(sent, this.connection.limits.requestMsMax);
      if (position !== undefined) this.highestPosition = Math.max(this.highestPosition, Number(position.commit));
      return { revision: Number(nextExpectedRevision) as Revision, position: position === undefined ? undefined : Number(position.commit) };
    } finally {
      this.giveBack();
    }
  }

  giveBack(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}
