/** What a machine keeps, as its newest PolicySet has it over the defaults; and how people write it: `keep=90d window=30d daily=7`. */
import { RainbowError } from "../../core/index.ts";

const SECOND_US = 1e6;
export const DAY_US = 86_400 * SECOND_US;
const TIMES_US: Readonly<Record<string, number>> = { m: 60 * SECOND_US, h: 3600 * SECOND_US, d: DAY_US, w: 7 * DAY_US, y: 365 * DAY_US };
const SIZES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const COUNT_MAX = 10_000;

export interface Policy {
  /** A snapshot is taken so often; 0: none. */
  readonly everyUs: number;
  /** No snapshot is kept longer, unless it is pinned. */
  readonly keepUs: number;
  /** Every instant is kept so long. */
  readonly windowUs: number;
  /** Want of space never makes the window shorter than this. */
  readonly guardUs: number;
  /** Of snapshots before the window the newest of so many hours, days … are kept; where all are 0, every one is, up to `keepUs`. */
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** The data file's size; 0: a fifth of what was free when it was made. */
  readonly quotaBytes: number;
  /** Below so much free space on the disk old snapshots thin out and the window shrinks; on small disks a quarter of the quota. */
  readonly freeBytes: number;
  /** Jumps of the host's clock up to here are known to be right. */
  readonly acceptedUs: number;
}

export const DEFAULT_POLICY: Policy = {
  everyUs: 0,
  keepUs: 30 * DAY_US,
  windowUs: 30 * DAY_US,
  guardUs: 7 * DAY_US,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  quotaBytes: 0,
  freeBytes: 5 * 2 ** 30,
  acceptedUs: 0,
};

/** What people call each value, and its kind. */
export const POLICY_WORDS: Readonly<Record<string, { readonly field: keyof Policy; readonly kind: "time" | "count" | "size" }>> = {
  every: { field: "everyUs", kind: "time" },
  keep: { field: "keepUs", kind: "time" },
  window: { field: "windowUs", kind: "time" },
  guard: { field: "guardUs", kind: "time" },
  hourly: { field: "hourly", kind: "count" },
  daily: { field: "daily", kind: "count" },
  weekly: { field: "weekly", kind: "count" },
  monthly: { field: "monthly", kind: "count" },
  yearly: { field: "yearly", kind: "count" },
  quota: { field: "quotaBytes", kind: "size" },
  free: { field: "freeBytes", kind: "size" },
};

/** What an event says, over the defaults; what is no sound number is as if it were not there. */
export function policyOf(set: Readonly<Record<string, unknown>> | undefined): Policy {
  const known = Object.entries(set ?? {}).filter(
    ([field, value]) => Object.hasOwn(DEFAULT_POLICY, field) && Number.isSafeInteger(value) && (value as number) >= 0,
  );
  const policy = { ...DEFAULT_POLICY, ...(Object.fromEntries(known) as Partial<Policy>) };
  return { ...policy, windowUs: Math.min(policy.windowUs, policy.keepUs) };
}

/** `keep=90d daily=7 quota=200G` laid over what is set. USAGE names the word that cannot be. */
export function withWords(policy: Policy, words: readonly string[]): Policy {
  const changed: Partial<Record<keyof Policy, number>> = {};
  for (const word of words) {
    const [, name = "", text = ""] = /^([a-z]+)=(.+)$/.exec(word) ?? [];
    const known = Object.hasOwn(POLICY_WORDS, name) ? POLICY_WORDS[name] : undefined;
    if (known === undefined) throw unusable(word, `known are ${Object.keys(POLICY_WORDS).join(", ")}, as in keep=90d`);
    changed[known.field] = valueOf(word, text, known.kind);
  }
  const next = { ...policy, ...changed };
  if (changed.keepUs !== undefined && changed.windowUs === undefined) next.windowUs = Math.min(next.windowUs, next.keepUs);
  if (next.windowUs > next.keepUs) throw unusable(words.join(" "), "the window is at most as long as snapshots are kept");
  if (next.windowUs < TIMES_US["m"]! || next.keepUs < TIMES_US["m"]!) throw unusable(words.join(" "), "keep and window are at least a minute");
  return next;
}

function valueOf(word: string, text: string, kind: "time" | "count" | "size"): number {
  const [, digits = "", unit = ""] = /^(\d{1,9})([A-Za-z]?)$/.exec(text) ?? [];
  if (kind === "count" && digits !== "" && unit === "" && Number(digits) <= COUNT_MAX) return Number(digits);
  if (kind === "time" && digits !== "" && Object.hasOwn(TIMES_US, unit)) return Number(digits) * TIMES_US[unit]!;
  if (kind === "time" && text === "0") return 0;
  if (kind === "size" && digits !== "" && Object.hasOwn(SIZES, unit)) return Number(digits) * SIZES[unit]!;
  const wanted = { time: "a time such as 30m, 12h, 30d, 8w or 2y", count: `a number up to ${COUNT_MAX}`, size: "a size such as 500M or 2T" }[kind];
  throw unusable(word, `it takes ${wanted}`);
}

function unusable(word: string, why: string): RainbowError {
  return new RainbowError("USAGE", `'${word}' cannot be a policy: ${why}`, { word });
}
