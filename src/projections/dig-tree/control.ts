/** Facts of the whole machine, kept as keys of the tree too, so that every instant has them: roots, gaps, snapshots, policy, times. */
import type { ByteString, GapReason, NodeId, Revision, RootOptions, TimeUs } from "../../core/index.ts";
import { byteStringOf, byteStringOfText } from "../../core/index.ts";
import type { Gap } from "../view.ts";
import { numberKey, PREFIX, textKey } from "./keys.ts";
import { treeCorrupt } from "./values.ts";

export interface Root {
  readonly root: NodeId;
  readonly path: ByteString;
  readonly filesystemUuid: string;
  readonly inode: number;
  readonly btimeSeconds: number;
  readonly btimeNanos: number;
  readonly options: RootOptions;
}

export interface Snapshot {
  readonly name: string;
  readonly revision: Revision;
  readonly atUs: TimeUs;
  readonly pinned: boolean;
  /** Host time when it was taken. */
  readonly takenUs: TimeUs;
  /** The event that tells of it: the order in which things happened, whatever the clocks said. Absent in facts of the first release. */
  readonly takenAt?: Revision;
}

/** What is known of time at a batch end. */
export interface Times {
  /** Agent time of the newest batch; 0 before the first. */
  readonly agentTimeUs: TimeUs;
  /** Everything before it was in the stream when the agent last said so; 0: it never did. */
  readonly caughtUpUs: TimeUs;
  readonly nextChunk: number;
  /** Plain bytes of all chunks ever stored. */
  readonly payloadBytes: number;
}

/** From `revision` on, agent time runs forwards from `fromUs` until the next stretch begins. */
export interface Stretch {
  readonly revision: Revision;
  readonly fromUs: TimeUs;
}

/** The newest move of the window's start. */
/** Steps of the host's clock that were longer than time can have passed. */
export type ClockJumps = readonly { readonly fromUs: number; readonly toUs: number }[];

export interface RebasedFact {
  /** Of the event. */
  readonly revision: Revision;
  readonly window: Revision;
  /** Those before the window's start that still matter; absent where there are none. */
  readonly jumps?: ClockJumps;
}

export const NO_TIMES: Times = { agentTimeUs: 0 as TimeUs, caughtUpUs: 0 as TimeUs, nextChunk: 1, payloadBytes: 0 };

export const encodeFact = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), "utf8");

export function decodeFact<T>(value: Buffer): T {
  try {
    return JSON.parse(value.toString("utf8")) as T;
  } catch (error) {
    throw treeCorrupt(`a fact is no JSON: ${(error as Error).message}`);
  }
}

const keyText = (key: Buffer): ByteString => byteStringOf(key);

export const TIMES_KEY = keyText(Buffer.from([PREFIX.times]));
export const POLICY_KEY = keyText(Buffer.from([PREFIX.policy]));
export const MIRROR_KEY = keyText(Buffer.from([PREFIX.mirror]));
export const REBASED_KEY = keyText(Buffer.from([PREFIX.rebased]));
export const bracketKey = (node: NodeId): ByteString => keyText(numberKey(PREFIX.bracket, node));
export const rootKey = (root: NodeId): ByteString => keyText(numberKey(PREFIX.root, root));
export const openGapKey = (gap: string): ByteString => keyText(textKey(PREFIX.openGap, byteStringOfText(gap)));
export const snapshotKey = (name: string): ByteString => keyText(textKey(PREFIX.snapshot, byteStringOfText(name)));
export const purgeKey = (revision: Revision): ByteString => keyText(numberKey(PREFIX.purge, revision));
export const closedGapKey = (closedAt: Revision, gap: string): ByteString =>
  (keyText(numberKey(PREFIX.closedGap, closedAt)) + keyText(textKey(0, byteStringOfText(gap))).slice(1)) as ByteString;
export const stretchKey = (revision: Revision): ByteString => keyText(numberKey(PREFIX.stretch, revision));

/** A gap as it is kept: JSON has no undefined. */
interface StoredGap {
  readonly gap: string;
  readonly reason: GapReason;
  readonly node: number;
  readonly fromUs: number;
  readonly openedAt: number;
  readonly closedAt: number;
  readonly detail: string;
}

export function encodeGap(gap: Gap): Buffer {
  return encodeFact({ ...gap, closedAt: gap.closedAt ?? -1 } satisfies StoredGap);
}

export function decodeGap(value: Buffer): Gap {
  const { closedAt, ...gap } = decodeFact<StoredGap>(value);
  return { ...(gap as Omit<Gap, "closedAt">), closedAt: closedAt < 0 ? undefined : (closedAt as Revision) };
}
