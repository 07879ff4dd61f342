/**
 * When a tree is built, and how: ARCHITECTURE.md "Trees and segments". A tree is due when the tail of events is long, when the
 * memory for it is used up, once a day and at a clean stop; new pages stay below 5 % of the payload while memory allows it.
 */
import type { Base } from "./base.ts";
import type { Layer } from "./layer.ts";
import { SEGMENT_KEYS_MAX } from "./segments.ts";
import { estimate } from "./tree-changes.ts";
import type { TailEstimate } from "./tree-changes.ts";

export interface TreeLimits {
  /** A tail shorter than this is replayed fast enough. */
  readonly tailEvents: number;
  /** A tail is never longer than this, whatever its tree costs. */
  readonly tailEventsMax: number;
  /** Of the layers of one tail. Two tails are held while a tree is built. */
  readonly tailMemoryBytes: number;
  readonly treeEveryUs: number;
  /** What is not worth a segment: pages that cost less go to the main part at once. */
  readonly smallBytes: number;
  /** With more of them, lookups of a node that changes all the time ask too many. */
  readonly segmentsMax: number;
}

export const TREE_LIMITS: TreeLimits = {
  tailEvents: 16_384,
  tailEventsMax: 1_000_000,
  tailMemoryBytes: 5 << 20, // Some 8,000 scattered events, which a view replays in 10 to 20 ms; two tails and the copies of open views stay below 24 MiB.
  treeEveryUs: 24 * 3600 * 1e6,
  smallBytes: 256 << 10,
  segmentsMax: 128,
};

const SHARE_OF_PAYLOAD = 0.05; // Pages of trees against the payload they describe.
const MAIN_SHARE_OF_PAYLOAD = 0.04; // Of that for working segments into the main part; the rest is for writing them first.
const PAGE_BYTES = 4096;
const CHECK_EVERY_EVENTS = 1024; // Looking at a tail costs about a millisecond.

export type Due = "no" | "tail" | "memory" | "day";

export interface Tail {
  readonly eventCount: number;
  readonly memoryBytes: number;
  readonly payloadBytes: number;
  readonly ageUs: number;
}

/** Why a tree may be due; "tail" still asks whether it is worth its pages. */
export function dueOf(tail: Tail, lastCheckedAt: number, limits: TreeLimits): Due {
  if (tail.eventCount === 0) return "no";
  if (tail.memoryBytes >= limits.tailMemoryBytes || tail.eventCount >= limits.tailEventsMax) return "memory";
  if (tail.ageUs >= limits.treeEveryUs) return "day";
  return tail.eventCount >= limits.tailEvents && tail.eventCount - lastCheckedAt >= Math.min(CHECK_EVERY_EVENTS, limits.tailEvents) ? "tail" : "no";
}

export interface Plan {
  readonly into: "main" | "segment";
  readonly estimate: TailEstimate;
  /** Whether its new pages stay within their share of the payload. */
  readonly isWorthIt: boolean;
}

/** `payloadBytes` is that of all the stream; of the tail alone it is `tail.payloadBytes`. */
export function planTree(
  base: Base | undefined,
  layers: readonly Layer[],
  tail: Tail,
  payloadBytes: number,
  limits: TreeLimits,
  eventsSinceMain: number,
): Plan {
  const own = estimate(layers);
  const segments = base?.segments ?? [];
  const scattered = segments.reduce((sum, segment) => sum + segment.facts.mainPages, own.mainPages);
  const pagesMax = (base?.info.pageCount ?? 0) + Math.ceil(own.segmentBytes / PAGE_BYTES) + 4;
  const mainBytes = Math.min(scattered, pagesMax) * PAGE_BYTES;
  const sinceMain = payloadBytes - (segments[0]?.facts.basePayloadBytes ?? payloadBytes - tail.payloadBytes);
  const mustMain = segments.length >= limits.segmentsMax || own.keyCount > SEGMENT_KEYS_MAX || eventsSinceMain >= limits.tailEventsMax;
  const isCheap = mainBytes <= Math.max(own.segmentBytes * 1.5, limits.smallBytes) || mainBytes <= sinceMain * MAIN_SHARE_OF_PAYLOAD;
  if (mustMain || isCheap) return { into: "main", estimate: own, isWorthIt: mainBytes <= sinceMain * SHARE_OF_PAYLOAD };
  return { into: "segment", estimate: own, isWorthIt: own.segmentBytes <= tail.payloadBytes * SHARE_OF_PAYLOAD };
}
