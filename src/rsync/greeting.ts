/** The lines before the session: versions, message of the day, module, login. PROTOCOL.md "Greeting", "Login". */
import { createHash } from "node:crypto";
import { RainbowError } from "../core/index.ts";
import { Md4 } from "./digests/index.ts";
import { broken } from "./failure.ts";

export const PROTOCOL_MIN = 27; // Below, block checksums are a broken variant of MD4.
export const PROTOCOL_MAX = 32;

/** The strongest first; each side takes the first of this order that both have. */
export const LOGIN_DIGESTS = ["sha512", "sha256", "sha1", "md5", "md4"] as const;
export type LoginDigest = (typeof LOGIN_DIGESTS)[number] | "md4-seeded";

export interface Greeting {
  readonly protocol: number;
  /** The names that it sent, or undefined where it sent none. */
  readonly loginDigests: readonly string[] | undefined;
}

export function greetingLine(protocol: number): string {
  return `@RSYNCD: ${protocol}.0 ${LOGIN_DIGESTS.join(" ")}\n`;
}

/** The server's first line. Versions that cannot be are refused. */
export function parseGreeting(line: string): Greeting {
  const match = /^@RSYNCD: (\d{1,3})(?:\.(\d{1,3}))?((?: [\x21-\x7e]+)*)\s*$/.exec(line);
  if (match === null) throw broken("its first line is no greeting: is there an rsync daemon at this address?", { line });
  const names = match[3]!.trim();
  const version = Number(match[1]) - (Number(match[2] ?? 0) === 0 ? 0 : 1); // A pre-release speaks the version before.
  if (version < 20 || version > 40) throw broken(`it speaks protocol ${version}`, { version });
  return { protocol: version, loginDigests: names === "" ? undefined : names.split(" ") };
}

/** The protocol that both speak. */
export function agreedProtocol(greeting: Greeting, ownMax: number): number {
  const protocol = Math.min(greeting.protocol, ownMax);
  if (protocol >= PROTOCOL_MIN) return protocol;
  throw new RainbowError(
    "UNSUPPORTED",
    `the rsync server speaks protocol ${greeting.protocol}, and ${PROTOCOL_MIN} is the least: it needs rsync 2.6 or newer`,
    {
      protocol: greeting.protocol,
    },
  );
}

/** The digest of the login. We always send our list, so that only the server's counts. */
export function loginDigest(greeting: Greeting, protocol: number): LoginDigest {
  const theirs = greeting.loginDigests;
  if (theirs === undefined) return protocol >= 30 ? "md5" : "md4-seeded";
  const common = LOGIN_DIGESTS.find((name) => theirs.includes(name));
  if (common === undefined) throw new RainbowError("UNSUPPORTED", `the rsync server knows only the login digests ${theirs.join(", ")}`, { theirs });
  return common;
}

export interface Login {
  readonly user: string;
  readonly password: string;
  /** The weakest digest to log in with; the default refuses what is older than sha1. */
  readonly weakestDigest?: LoginDigest;
}

/** The line that answers a challenge; refuses a digest that would give the password away. */
export function loginLine(login: Login, challenge: string, digest: LoginDigest): string {
  const strength = (name: LoginDigest): number => [...LOGIN_DIGESTS, "md4-seeded"].indexOf(name);
  const weakest = login.weakestDigest ?? "sha1";
  if (strength(digest) > strength(weakest)) {
    const what = `the rsync server asks for a login with ${digest}, which is weaker than ${weakest}; allow it for this server if its network can be trusted`;
    throw new RainbowError("RSYNC_AUTHENTICATION", what, { digest, weakest });
  }
  if (/[\s\0]/.test(login.user) || login.user === "") throw new RainbowError("USAGE", "the user's name for the rsync server is empty or has spaces in it", {});
  return `${login.user} ${loginResponse(login.password, challenge, digest)}\n`;
}

/** base64 without padding of H(password, challenge). */
export function loginResponse(password: string, challenge: string, digest: LoginDigest): string {
  const secret = Buffer.concat([Buffer.from(password, "utf8"), Buffer.from(challenge, "latin1")]);
  return hashed(digest, secret).toString("base64").replace(/=+$/, "");
}

function hashed(digest: LoginDigest, secret: Buffer): Buffer {
  if (digest === "md4") return new Md4().update(secret).digest();
  if (digest === "md4-seeded") return new Md4().update(Buffer.alloc(4)).update(secret).digest();
  return createHash(digest).update(secret).digest();
}
