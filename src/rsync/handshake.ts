/** The lines and numbers before the first frame, as steps of a conversation. PROTOCOL.md "Greeting" to "Setup". */
import { RainbowError } from "../core/index.ts";
import { argumentsFor, checkCompat, chosen, COMPAT, COMPRESSORS, encodeNames, FILE_DIGESTS, readNames } from "./agreement.ts";
import type { Agreement, Wanted } from "./agreement.ts";
import type { DigestName } from "./digests/index.ts";
import { broken, refused, shown } from "./failure.ts";
import { agreedProtocol, greetingLine, loginDigest, loginLine, parseGreeting } from "./greeting.ts";
import type { Greeting, Login } from "./greeting.ts";
import type { Inbox } from "./inbox.ts";
import { HANDSHAKE_BYTES_MAX, HANDSHAKE_LINE_BYTES_MAX } from "./limits.ts";
import type { Outbox } from "./writer.ts";

/** Both directions, and where text of the server goes. */
export interface Talk {
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly onMotd: (line: string) => void;
}

/** Lines until the session begins; all together they have a limit. */
export class Lines {
  private readonly inbox: Inbox;
  private readonly bytesMax: number;
  private bytes = 0;

  constructor(inbox: Inbox, bytesMax = HANDSHAKE_BYTES_MAX) {
    this.inbox = inbox;
    this.bytesMax = bytesMax;
  }

  *next(): Generator<undefined, string> {
    const line = yield* this.inbox.read((cursor) => cursor.line(HANDSHAKE_LINE_BYTES_MAX));
    this.bytes += line.length + 1;
    if (this.bytes > this.bytesMax) throw broken(`it greets with more than ${this.bytesMax} bytes`);
    return line;
  }
}

/** Exchanges greetings. */
export function* greet(talk: Talk, lines: Lines, protocolMax: number): Generator<undefined, { readonly greeting: Greeting; readonly protocol: number }> {
  talk.outbox.text(greetingLine(protocolMax));
  const greeting = parseGreeting(yield* lines.next());
  return { greeting, protocol: agreedProtocol(greeting, protocolMax) };
}

/** Names the module and logs in where the server asks for it. */
export function* enterModule(
  talk: Talk,
  lines: Lines,
  module: string,
  login: Login | undefined,
  hello: { readonly greeting: Greeting; readonly protocol: number },
): Generator<undefined, void> {
  if (module === "" || /[\n\r\0]/.test(module) || module.startsWith("#"))
    throw new RainbowError("USAGE", `'${shown(module)}' cannot be the name of an rsync module`);
  talk.outbox.text(`${Buffer.from(module, "utf8").toString("latin1")}\n`);
  let challenges = 0;
  for (;;) {
    const line = yield* lines.next();
    if (line === "@RSYNCD: OK") return;
    if (line === "@RSYNCD: EXIT") throw refused("the server ends before the module is open");
    if (line.startsWith("@ERROR")) throw refused(line.replace(/^@ERROR:?\s*/, ""));
    if (!line.startsWith("@RSYNCD: AUTHREQD ")) {
      talk.onMotd(line);
      continue;
    }
    if (++challenges > 1) throw broken("it asks for the password twice");
    if (login === undefined) throw new RainbowError("RSYNC_AUTHENTICATION", `the rsync module '${shown(module)}' asks for a user and a password`, { module });
    const challenge = line.slice("@RSYNCD: AUTHREQD ".length);
    talk.outbox.text(loginLine(login, challenge, loginDigest(hello.greeting, hello.protocol)));
  }
}

/** Sends the options and agrees on all else. */
export function* agree(talk: Talk, wanted: Wanted, protocol: number): Generator<undefined, Agreement> {
  sendArguments(talk.outbox, argumentsFor(wanted, protocol), protocol);
  const compat = protocol >= 30 ? yield* talk.inbox.read((cursor) => cursor.varint()) : 0;
  checkCompat(compat, wanted);
  const names = yield* agreeOnNames(talk, wanted, protocol, compat);
  const seed = yield* talk.inbox.read((cursor) => cursor.i32());
  return { protocol, compat, isIncremental: (compat & COMPAT.incremental) !== 0, ...names, seed };
}

function sendArguments(outbox: Outbox, words: readonly string[], protocol: number): void {
  const end = protocol >= 30 ? "\0" : "\n";
  if (words.some((word) => word === "" || word.includes(end)))
    throw new RainbowError("USAGE", "a path or option for the rsync server is empty or has a line's end in it");
  for (const word of [...words, ""]) outbox.text(word + end);
}

type Names = Pick<Agreement, "digest" | "compressor">;

/** Each side sends its names before it reads the other's. Without negotiation the version decides. */
function* agreeOnNames(talk: Talk, wanted: Wanted, protocol: number, compat: number): Generator<undefined, Names> {
  const isCompressed = wanted.compressors.length > 0;
  if ((compat & COMPAT.varintFlags) === 0) {
    const compressor = isCompressed ? chosen(wanted.compressors, ["zlib"], "compression") : undefined;
    const fallback: DigestName = protocol >= 30 ? "md5" : "md4-seeded";
    return { digest: fallback, compressor };
  }
  const digests = FILE_DIGESTS.filter((name) => wanted.digests.includes(name));
  const compressors = COMPRESSORS.filter((name) => wanted.compressors.includes(name));
  talk.outbox.bytes(encodeNames(digests));
  if (isCompressed) talk.outbox.bytes(encodeNames(compressors));
  const theirDigests = yield* talk.inbox.read(readNames);
  const theirCompressors = isCompressed ? yield* talk.inbox.read(readNames) : [];
  return {
    digest: chosen(digests, theirDigests, "checksum"),
    compressor: isCompressed ? chosen(compressors, theirCompressors, "compression") : undefined,
  };
}
