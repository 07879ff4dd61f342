/** A bucket's name for an rsync module, where the user gives none. */
import { createHash } from "node:crypto";

const NAME_CHARACTERS_MIN = 3;
const NAME_CHARACTERS_MAX = 63;
const HASH_DIGITS = 8;

/**
 * The module's name where it can be a bucket's. Otherwise in lower case, with "-" for what a bucket's name may not have, and with the
 * first digits of the SHA-256 of the module's name behind it, so that two modules never get the same.
 */
export function bucketNameOf(module: string): string {
  if (isBucketName(module)) return module;
  const hash = createHash("sha256").update(module).digest("hex").slice(0, HASH_DIGITS);
  const stem = module
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^(xn--|sthree-|amzn-s3-demo-)/, "")
    .slice(0, NAME_CHARACTERS_MAX - HASH_DIGITS - 1)
    .replace(/^-+|-+$/g, "");
  return stem === "" ? `module-${hash}` : `${stem}-${hash}`;
}

/** Amazon S3 User Guide, "General purpose bucket naming rules". */
export function isBucketName(name: string): boolean {
  if (name.length < NAME_CHARACTERS_MIN || name.length > NAME_CHARACTERS_MAX) return false;
  if (!/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/.test(name) || name.includes("..")) return false;
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return false;
  return !/^(xn--|sthree-|amzn-s3-demo-)/.test(name) && !/(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name);
}
