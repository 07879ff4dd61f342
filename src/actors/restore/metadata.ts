/** Sets a node's owner, mode, extended attributes and modification time, in the order that keeps them all. */
import { displayOf, OsError } from "../../core/index.ts";
import type { ByteString, Os } from "../../core/index.ts";
import type { NodeRecord } from "../../projections/index.ts";
import { safeMode } from "./plan.ts";

export class Metadata {
  private readonly os: Os;
  /** Nodes whose time lost its last digits, as this Os cannot set them. */
  inexactTimeCount = 0;

  constructor(os: Os) {
    this.os = os;
  }

  /** Returns what could not be set, for people; "" where everything was. */
  set(path: ByteString, record: NodeRecord): string {
    const { mode, uid, gid, xattrs, mtimeSeconds, mtimeNanos } = record.attributes;
    const problems: string[] = [];
    const isOwnerSet = attempt(problems, `owner ${uid}:${gid}`, () => this.os.chown(path, uid, gid));
    if (record.kind !== "symlink") {
      const safe = safeMode(mode, isOwnerSet);
      const isModeSet = attempt(problems, `mode ${octal(mode)}`, () => this.os.chmod(path, safe));
      if (isModeSet && safe !== mode) problems.push(`set-id bits of mode ${octal(mode)} (the owner is another)`);
    }
    attempt(problems, "extended attributes", () => {
      const missing = this.os.setXattrs(path, xattrs);
      if (missing.length > 0) problems.push(`extended attributes ${missing.map(displayOf).join(", ")}`);
    });
    attempt(problems, "modification time", () => {
      this.os.setTimes(path, mtimeSeconds, mtimeNanos);
      if (this.os.source === "node" && this.os.lstat(path).mtimeNanos !== mtimeNanos) this.inexactTimeCount++;
    });
    return problems.length === 0 ? "" : `could not set ${problems.join(", ")}`;
  }
}

function attempt(problems: string[], what: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    problems.push(`${what} (${error.code})`);
    return false;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
