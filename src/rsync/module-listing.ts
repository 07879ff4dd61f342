/** Asks a daemon for the list of its modules. */
import { bytesOf } from "../core/index.ts";
import type { ByteString } from "../core/index.ts";
import { Conversation } from "./conversation.ts";
import { refused } from "./failure.ts";
import { PROTOCOL_MAX } from "./greeting.ts";
import { greet, Lines } from "./handshake.ts";
import { LISTING_BYTES_MAX } from "./limits.ts";

export type ListingEvent = { readonly type: "motd"; readonly text: string } | { readonly type: "module"; readonly name: string; readonly comment: string };

export class ModuleListing extends Conversation<ListingEvent> {
  protected override *talk(): Generator<ListingEvent | undefined, void> {
    const talk = { inbox: this.inbox, outbox: this.outbox, onMotd: () => undefined };
    const lines = new Lines(this.inbox, LISTING_BYTES_MAX);
    yield* greet(talk, lines, PROTOCOL_MAX);
    this.where = "while it listed its modules";
    this.outbox.text("#list\n");
    for (;;) {
      const line = yield* lines.next();
      if (line === "@RSYNCD: EXIT") return;
      if (line.startsWith("@ERROR")) throw refused(line.replace(/^@ERROR:?\s*/, ""));
      yield eventOf(line);
    }
  }
}

/** A module's name is padded with spaces and ends with a tab; what has none is the message of the day. */
function eventOf(line: string): ListingEvent {
  const text = textOf(line);
  const tab = text.indexOf("\t");
  if (tab < 0) return { type: "motd", text };
  return { type: "module", name: text.slice(0, tab).trimEnd(), comment: text.slice(tab + 1) };
}

function textOf(line: string): string {
  return bytesOf(line as ByteString).toString("utf8");
}
