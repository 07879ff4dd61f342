/** What the system refuses, as errors of the port. */
import { displayOf, isRainbowError, OsError, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";

const FULL_CODES: readonly string[] = ["ENOSPC", "EDQUOT"];

/** Of an OsError about `path`; anything else stays what it is. */
export function failureOf(error: unknown, path: ByteString): unknown {
  if (!(error instanceof OsError)) return error;
  const shown = displayOf(path);
  const facts = { path: shown, operation: error.operation, code: error.code };
  if (FULL_CODES.includes(error.code)) return new RainbowError("DISK_FULL", `no space is left for ${shown}`, facts, error);
  if (error.code === "ENAMETOOLONG") return new RainbowError("LIMIT", `the filesystem of the target takes no name as long as that of ${shown}`, facts, error);
  return new RainbowError("IO", `${error.operation} of ${shown} failed with ${error.code}`, facts, error);
}

export function refused(path: ByteString, why: string, cause?: unknown): RainbowError {
  const shown = displayOf(path);
  return new RainbowError("TARGET_REFUSED", `${shown} ${why}`, { path: shown }, cause);
}

export function changed(path: ByteString, why: string): RainbowError {
  const shown = displayOf(path);
  return new RainbowError("OBJECT_CHANGED", `${shown} ${why}`, { path: shown });
}

export function attempt<T>(path: ByteString, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failureOf(error, path);
  }
}

export function isCode(error: unknown, ...codes: string[]): error is OsError {
  return error instanceof OsError && codes.includes(error.code);
}

/** The path leads through something that is no directory, or nothing is there. */
export function isAbsence(error: unknown): boolean {
  return isCode(error, "ENOENT", "ENOTDIR") || isRainbowError(error, "OBJECT_CHANGED");
}
