/** The login to an rsync server. Passwords come from a file or the environment, never from a command's words, and are kept nowhere. */
import { readFileSync, statSync } from "node:fs";
import { RainbowError } from "../../core/index.ts";
import type { Login } from "../../rsync/index.ts";
import type { LoginDigest } from "./settings.ts";

export interface LoginSource {
  /** Of the address. */
  readonly user: string | undefined;
  /** Given for this sync. */
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  readonly weakestDigest: LoginDigest | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Undefined where no password is known: a server that asks for one then refuses. The names are those that rsync looks at. */
export function loginOf({ user, password, passwordFile, weakestDigest, environment }: LoginSource): Login | undefined {
  const found = passwordFile === undefined ? (password ?? environment["RSYNC_PASSWORD"]) : passwordIn(passwordFile);
  if (found === undefined) return undefined;
  const name = user ?? environment["USER"] ?? environment["LOGNAME"] ?? "nobody";
  return { user: name, password: found, ...(weakestDigest === undefined ? {} : { weakestDigest }) };
}

/** The first line. Refused, as by rsync, where others may read it, or it is another user's. */
function passwordIn(path: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw new RainbowError("USAGE", `the password file ${path} ${why}`, { path }, cause);
  };
  try {
    const { mode, uid } = statSync(path);
    if ((mode & 0o007) !== 0) refuse("can be read by everybody: 'chmod o-rwx' it");
    if (process.getuid?.() === 0 && uid !== 0) refuse("is not root's, who would use it: 'chown root' it");
    const line = readFileSync(path, "utf8").split(/[\r\n]/, 1)[0] ?? "";
    return line === "" ? refuse("has no password in its first line") : line;
  } catch (error) {
    if (error instanceof RainbowError) throw error;
    return refuse(`cannot be read (${error instanceof Error ? error.message : String(error)})`, error);
  }
}
