/** Why something was left out, for people. */
import type { LeftOut } from "../app/index.ts";

const WORDS: Readonly<Record<LeftOut["why"], string>> = {
  "other-filesystem": "another filesystem; --cross-mounts takes it in",
  "cachedir-tag": "a cache, by its CACHEDIR.TAG",
  "default-cache": "a cache, left out by default",
  "data-directory": "Rainbow's own data",
  rule: "a rule of your own",
  "too-large": "larger than --max-file-size",
  unreadable: "cannot be read",
  vanished: "vanished while it was read",
};

/** `another filesystem; --cross-mounts takes it in (ext4)`. */
export function leftOutText(item: LeftOut): string {
  return `${WORDS[item.why]}${item.detail === "" ? "" : ` (${item.detail})`}`;
}
