/**
 * All that a machine's stream tells of a span, newest first: what became of files below some paths, and facts of the machine itself.
 * Where only facts are wanted, events are read backwards and hardly any is decoded; for files the tree before each piece is needed, as
 * an event names nodes and not paths. Memory holds so many items of one piece, and reads the piece again for those before them.
 */
import type { ByteString, NodeId, Revision, TimeUs } from "../../core/index.ts";
import { decodeEvent, NO_STREAM, readStoredBatches } from "../../events/index.ts";
import type { MachineEvent, MachineEventType, Recorded, StoredBatch } from "../../events/index.ts";
import { applyLate, evolveLazily, State } from "../dig-tree/internal.ts";
import { eventsBackwards, intervalsOf, refuseWhenEnded } from "./intervals.ts";
import type { HistorySource, Interval } from "./intervals.ts";
import { knownOf, versionOf } from "./log.ts";
import type { Known, Version } from "./log.ts";

const SLICE_EVENTS = 5000; // About 15 ms; others get their turn then.
const HELD_MAX = 10_000; // Some 5 MiB; one batch may have more of its own.

/** Something that became of a file or folder. */
export interface FileActivity extends Version {
  readonly type: "file";
}
/** A fact of the machine. */
export interface MachineFact {
  readonly type: "fact";
  readonly revision: Revision;
  readonly timeUs: TimeUs;
  readonly event: MachineEvent;
}
/** Nothing newer follows: for who waits to put this in order with something else. */
export interface ActivityMark {
  readonly type: "mark";
  readonly timeUs: TimeUs;
}
export type Activity = FileActivity | MachineFact | ActivityMark;

export interface Wanted {
  /** Revisions up to here are left out. */
  readonly after: Revision;
  /** Which files; absent: none. */
  readonly isWanted?: (path: ByteString) => boolean;
  readonly facts: ReadonlySet<MachineEventType>;
}

export async function* activityOf(source: HistorySource, wanted: Wanted): AsyncGenerator<Activity> {
  for (const interval of intervalsOf(source)) {
    if (interval.to <= wanted.after) return;
    if (wanted.isWanted === undefined) yield* factsIn(source, interval, wanted);
    else yield* filesIn(source, interval, wanted);
  }
}

async function* factsIn(source: HistorySource, interval: Interval, { after, facts }: Wanted): AsyncGenerator<Activity> {
  for await (const page of eventsBackwards(source, { ...interval, after: Math.max(interval.after, after) as Revision })) {
    for (const { stored } of page) {
      if (!facts.has(stored.type as MachineEventType)) continue;
      const { event, metadata, revision } = decodeEvent(stored);
      yield { type: "fact", revision, timeUs: metadata.agentTimeUs, event };
    }
    const oldest = page.at(-1);
    if (oldest !== undefined) yield { type: "mark", timeUs: decodeEvent(oldest.stored).metadata.agentTimeUs };
  }
}

/** The newest of an interval first, again and again. */
async function* filesIn(source: HistorySource, interval: Interval, wanted: Wanted): AsyncGenerator<Activity> {
  for (let to: Revision | undefined = interval.to; to !== undefined;) {
    const held = await heldOf(source, { after: interval.after, to }, wanted);
    for (const group of held.groups.toReversed()) yield* group.items.toReversed();
    if (held.startUs !== undefined) yield { type: "mark", timeUs: held.startUs };
    to = held.leftOut;
  }
}

interface Held {
  readonly groups: readonly { readonly before: Revision; readonly items: readonly Activity[] }[];
  /** Where the piece that was left out for want of room ends. */
  readonly leftOut: Revision | undefined;
  readonly startUs: TimeUs | undefined;
}

async function heldOf(source: HistorySource, { after, to }: Interval, wanted: Wanted): Promise<Held> {
  const base = after === NO_STREAM ? undefined : source.openBase(after);
  const groups: { before: Revision; items: Activity[] }[] = [];
  let [heldCount, before, leftOut]: [number, Revision, Revision | undefined] = [0, after, undefined];
  let startUs: TimeUs | undefined;
  let sliceEvents = 0;
  try {
    const state = new State({ base, applyLate });
    for await (const batch of readStoredBatches(source.store, source.stream, (after + 1) as Revision, to)) {
      startUs ??= batch.metadata.agentTimeUs;
      const items = batch.last > wanted.after ? itemsOf(state, batch, wanted) : undefined;
      if (items === undefined) evolveLazily(state, batch);
      else if (items.length > 0) {
        groups.push({ before, items });
        heldCount += items.length;
      }
      while (heldCount > HELD_MAX && groups.length > 1) {
        heldCount -= groups.shift()!.items.length;
        leftOut = groups[0]!.before;
      }
      before = batch.last;
      sliceEvents += batch.last - batch.first + 1;
      if (sliceEvents < SLICE_EVENTS) continue;
      sliceEvents = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    refuseWhenEnded(source);
  } finally {
    base?.close();
  }
  return { groups, leftOut, startUs: leftOut === undefined ? startUs : undefined };
}

/** Moves the state over the batch, too. */
function itemsOf(state: State, batch: StoredBatch, { isWanted, facts }: Wanted): Activity[] {
  const { last: revision } = batch;
  const { agentTimeUs: timeUs } = batch.metadata;
  const told = toldOf(batch.events);
  const before = new Map<NodeId, Known>();
  for (const node of told.keys()) before.set(node, knownOf(state, node));
  evolveLazily(state, batch);
  const items: Activity[] = [];
  for (const { event, revision: at } of batch.events) if (facts.has(event.type)) items.push({ type: "fact", revision: at, timeUs, event });
  for (const [node, { events, isReplacement }] of told) {
    const [was, is] = [before.get(node), knownOf(state, node)];
    if (![was, is].some((known) => known !== undefined && isWanted?.(known.path) === true)) continue;
    const version = versionOf({ node, isReplacement }, { events, revision, timeUs }, was, is);
    if (version !== undefined) items.push({ type: "file", ...version });
  }
  return items;
}

interface ToldOfNode {
  readonly events: Recorded[];
  isReplacement: boolean;
}

/** What a batch tells of each node: of a folder not what came and went in it, as those tell of themselves. */
function toldOf(events: readonly Recorded[]): Map<NodeId, ToldOfNode> {
  const told = new Map<NodeId, ToldOfNode>();
  for (const recorded of events) {
    const { event } = recorded;
    if (!("node" in event) || event.type === "PassStarted") continue;
    let known = told.get(event.node);
    if (known === undefined) told.set(event.node, (known = { events: [], isReplacement: false }));
    known.events.push(recorded);
    known.isReplacement ||= event.type === "NodeRenamed" && event.replaced !== 0;
  }
  return told;
}
