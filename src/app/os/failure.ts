/** Turns what the system says into OsError: from an exception of node:fs, or from an errno number of the addon. */
import { constants } from "node:os";
import { OsError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";

/** Linux errors that Node has no name for, and numbers with two names where the usual one is not Node's last. */
const NAMES_BEYOND_NODE: ReadonlyMap<number, string> = new Map([
  [11, "EAGAIN"],
  [95, "ENOTSUP"],
  [117, "EUCLEAN"],
  [123, "ENOMEDIUM"],
  [124, "EMEDIUMTYPE"],
  [5, "EIO"],
]);
const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, number]) => [number, name] as const),
  ...(process.platform === "linux" ? NAMES_BEYOND_NODE : []),
]);

/** "ENOENT" for 2; "E1234" for what has no name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

/** The errno of an exception of node:fs, else 0. */
export function errnoOf(error: unknown): number {
  return error instanceof Error && "errno" in error && typeof error.errno === "number" ? Math.abs(error.errno) : 0;
}

/** Runs `action`; what node:fs throws becomes an OsError, anything else passes. */
export function asOsError<T>(operation: string, path: ByteString, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string" || error instanceof OsError) throw error;
    throw new OsError(error.code === "ERR_INVALID_ARG_VALUE" ? "EINVAL" : error.code, operation, path);
  }
}

/** How an open file is called in an OsError: its path is not known any more. */
export function descriptorName(fd: number): ByteString {
  return `descriptor ${fd}` as ByteString;
}
