/** Removes what stands in a target: a name, or a tree bottom-up. Never follows a symlink, never crosses into another filesystem. */
import { displayOf, listingCount, listingErrno, listingName, listingStat, OsError } from "../../core/index.ts";
import type { ByteString, Os, Stat } from "../../core/index.ts";
import type { Pace } from "./pace.ts";
import { joinPath } from "./request.ts";

export interface Removal {
  /** Names that went (or would), the top one included where it went. */
  readonly count: number;
  /** Why something below could not go, for people; "" where all that was to go went. */
  readonly problem: string;
  /** Why something below was left on purpose; "" where nothing was. */
  readonly kept: string;
}

interface Level {
  readonly path: ByteString;
  readonly identity: Stat;
  readonly listing: Buffer;
  next: number;
  /** Something below it stays, so it does. */
  stays: boolean;
}

export interface RemovalRules {
  readonly os: Os;
  readonly pace: Pace;
  readonly dryRun: boolean;
  readonly keep: (path: ByteString, isDirectory: boolean) => string | undefined;
}

/** Removes a directory and all below it. What cannot go, or is to be kept, stays with the directories above it; the rest goes. */
export async function removeTree(rules: RemovalRules, path: ByteString): Promise<Removal> {
  const { os, pace, dryRun } = rules;
  const stack: Level[] = [levelOf(os, path)];
  const { device } = stack[0]!.identity;
  let [count, problem, kept] = [0, "", ""];
  const stay = (): void => stack.forEach((level) => (level.stays = true));
  const fail = (text: string): void => {
    if (problem === "") problem = text;
    stay();
  };
  while (stack.length > 0) {
    const level = stack.at(-1)!;
    if (level.next === listingCount(level.listing)) {
      if (!level.stays && attempt(() => dryRun || os.removeDirectory(level.path), fail)) count++;
      stack.pop();
      continue;
    }
    const index = level.next++;
    const child = joinPath(level.path, listingName(level.listing, index));
    const stat = listingStat(level.listing, index);
    const keptBecause = rules.keep(child, stat?.kind === "directory");
    if (keptBecause !== undefined) {
      kept = keptBecause;
      stay();
    } else if (stat === undefined) fail(`'${displayOf(child)}' cannot be looked at (errno ${listingErrno(level.listing, index)})`);
    else if (stat.device !== device) fail(`another filesystem is mounted on '${displayOf(child)}'`);
    else if (stat.kind === "directory") attempt(() => stack.push(levelOf(os, child)), fail);
    else if (attempt(() => dryRun || os.unlink(child), fail)) count++;
    if (pace.isDue) {
      await pace.rest();
      checkGround(os, stack);
    }
  }
  return { count, problem, kept };
}

function levelOf(os: Os, path: ByteString): Level {
  return { path, identity: os.lstat(path), listing: os.listDirectory(path), next: 0, stays: false };
}

/** A directory that someone swapped for a symlink meanwhile must not lead the removal elsewhere. */
function checkGround(os: Os, stack: readonly Level[]): void {
  for (const { path, identity } of stack) {
    const now = os.lstat(path);
    if (now.kind !== "directory" || now.inode !== identity.inode || now.device !== identity.device) throw new OsError("ESTALE", "remove", path);
  }
}

function attempt(act: () => unknown, note: (text: string) => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    note(error.message);
    return false;
  }
}
