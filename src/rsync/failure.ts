/** The errors of a session, in one place so that their words are alike: what the server did, where, and what to do. */
import { displayOf, RainbowError } from "../core/index.ts";
import type { ByteString, Facts } from "../core/index.ts";

const TEXT_CHARACTERS_MAX = 500;

/** The server broke the protocol: what it says from here on means nothing. */
export function broken(what: string, facts: Facts = {}): RainbowError {
  return new RainbowError("RSYNC_PROTOCOL", `the rsync server broke the protocol: ${what}; nothing was taken over from this answer`, facts);
}

/** The server said more than the limits allow. */
export function overLimit(what: string, facts: Facts = {}): RainbowError {
  return new RainbowError("RSYNC_LIMIT", `the rsync server sent ${what}; raise the limit if that is meant to be`, facts);
}

/** What the server said, made fit for a terminal: text of a stranger may hold control characters. */
export function shown(text: string): string {
  const cut = text.length > TEXT_CHARACTERS_MAX ? `${text.slice(0, TEXT_CHARACTERS_MAX)} …` : text;
  return cut.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A path of the server's for a message. */
export function shownPath(path: ByteString): string {
  return shown(displayOf(path));
}

const RETRYABLE = /max connections|try again later/i;
const AUTHENTICATION = /auth failed|authentication/i;

/** An "@ERROR" line of the daemon, before the session began. */
export function refused(text: string): RainbowError {
  const said = shown(text.trim());
  if (RETRYABLE.test(text)) return new RainbowError("RSYNC_BUSY", `the rsync server is busy: ${said}; try again later`, { said });
  if (AUTHENTICATION.test(text)) {
    const hint = "check user and password, and whether the server asks for a stronger digest than both sides have";
    return new RainbowError("RSYNC_AUTHENTICATION", `the rsync server refuses the login: ${said}; ${hint}`, { said });
  }
  return new RainbowError("RSYNC_REFUSED", `the rsync server refuses: ${said}`, { said });
}

/** The connection ended before the session did. */
export function endedEarly(where: string, saidBefore: readonly string[]): RainbowError {
  const said = saidBefore.map(shown);
  const words = said.length === 0 ? "" : `; before that it said: ${said.join(" / ")}`;
  return new RainbowError("RSYNC_ENDED", `the rsync server ended the connection ${where}${words}; what was received is incomplete`, { where, said });
}
