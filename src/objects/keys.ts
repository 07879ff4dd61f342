/** Which keys a store takes: relative paths without empty components and dots, so that none can lead out of its place. */
import { displayOf, RainbowError } from "../core/index.ts";
import type { ByteString } from "../core/index.ts";

/** Holds what a store needs for itself, at its top; no mirrored path may have its name. */
export const RESERVED_DIRECTORY = ".rainbow";
/** As Linux has it for a path, without the final NUL. */
const KEY_BYTES_MAX = 4095;

/** Refuses with TARGET_REFUSED what is no key. */
export function checkKey(key: ByteString): void {
  const isReserved = key === RESERVED_DIRECTORY || key.startsWith(`${RESERVED_DIRECTORY}/`);
  if (isKey(key) && !isReserved) return;
  const shown = displayOf(key.slice(0, 200) as ByteString);
  const why = isReserved ? `the name ${RESERVED_DIRECTORY} is Rainbow's own` : "it would lead out of the target, or is no path";
  throw new RainbowError("TARGET_REFUSED", `'${shown}' cannot be stored: ${why}`, { key: shown });
}

function isKey(key: string): boolean {
  if (key.length === 0 || key.length > KEY_BYTES_MAX || /[\0\u{100}-\u{10ffff}]/u.test(key)) return false;
  if (key === ".") return true;
  return !/(^|\/)(\.{0,2})(\/|$)/.test(key);
}

/** The key of the directory that holds `key`; "." for those at the top. */
export function parentKey(key: ByteString): ByteString {
  const end = key.lastIndexOf("/");
  return (end === -1 ? "." : key.slice(0, end)) as ByteString;
}
