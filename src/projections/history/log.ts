/** Each version of what a path names, newest first, back through renames and through files that took the name over. */
import type { ByteString, ChangeOrigin, NodeId, NodeKind, Revision, TimeUs } from "../../core/index.ts";
import { decodeStored, nodeOfStored } from "../../events/index.ts";
import type { MachineEvent, Recorded } from "../../events/index.ts";
import { hashesOf, mayHaveChanged } from "../dig-tree/internal.ts";
import type { State } from "../dig-tree/internal.ts";
import type { NodeRecord } from "../view.ts";
import { describe, originsOf } from "./describe.ts";
import type { Described } from "./describe.ts";
import { eventsBackwards, intervalsOf, namesTakenOver, pathOf, replayInterval } from "./intervals.ts";
import type { HistorySource, Interval, Moment } from "./intervals.ts";

export interface Version {
  /** The batch end that shows it. */
  readonly revision: Revision;
  readonly timeUs: TimeUs;
  readonly node: NodeId;
  /** Where it lay then; the last place where it was deleted. */
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
  /** For people, in the order in which they matter. */
  readonly changes: readonly string[];
  readonly unsettled: boolean;
  readonly deleted: boolean;
  /** The processes that made these changes, where the source knew them. */
  readonly origins: readonly ChangeOrigin[];
}

/** What is followed: a name, and the node that had it; between two nodes of one name there is none. */
interface Trail {
  readonly node: NodeId | undefined;
  readonly parent: NodeId;
  readonly name: ByteString;
}

interface Found {
  readonly revision: Revision;
  readonly node: NodeId;
  /** It took the name over from the node that is followed before: a save by way of a new file. */
  isReplacement: boolean;
}

export interface LogStart {
  readonly parent: NodeId;
  readonly name: ByteString;
  /** Absent: the path names nothing at the head; its last node is looked for. */
  readonly node?: NodeId;
}

/** Versions up to `source.head`. Events between two trees are passed over where the trees say that nothing of it changed there. */
export async function* logOf(source: HistorySource, start: LogStart): AsyncGenerator<Version> {
  let trail: Trail = { node: start.node, parent: start.parent, name: start.name };
  const newest = source.openBase(source.head);
  try {
    for (const interval of intervalsOf(source)) {
      if (newest !== undefined && !mayHaveChanged(newest.reader, interval.after, interval.to, hashesOf(trail))) continue;
      const { found, before } = await follow(source, interval, trail);
      trail = before;
      yield* await versionsOf(source, interval, found);
    }
  } finally {
    newest?.close();
  }
}

/** What an interval has of the trail, newest first, and what is followed before it. */
async function follow(source: HistorySource, interval: Interval, from: Trail): Promise<{ readonly found: Found[]; readonly before: Trail }> {
  let trail = from;
  const found: Found[] = [];
  let takenOver: ReadonlyMap<Revision, NodeId> | undefined;
  for await (const page of eventsBackwards(source, interval)) {
    for (const { stored, batchEnd: end } of page) {
      const told = nodeOfStored(stored);
      if (told !== undefined && told !== trail.node) continue; // Most events tell of one other file alone.
      const event = decodeStored(stored);
      const { revision } = stored;
      if (isOfAnother(trail, event)) trail = { ...trail, node: event.node };
      let next = stepBack(trail, event);
      if (event.type === "NodeCreated" && event.node === trail.node) {
        takenOver ??= await namesTakenOver(source, interval);
        next = { ...next, node: takenOver.get(revision) }; // What had the name until then: a file that is saved by way of a new one goes on being followed.
      }
      if (next === trail && !concerns(trail, event)) continue;
      const node = trail.node ?? next.node;
      const last = found.at(-1);
      if (node !== undefined && (last?.revision !== end || last.node !== node)) found.push({ revision: end, node, isReplacement: false });
      if (trail.node !== undefined && next.node !== undefined && next.node !== trail.node) found.at(-1)!.isReplacement = true;
      trail = next;
    }
  }
  return { found, before: trail };
}

type OfName = Extract<MachineEvent, { type: "FileArrived" | "LinkArrived" | "FileWithdrawn" }>;

const isOfName = (event: MachineEvent): event is OfName => event.type === "FileArrived" || event.type === "LinkArrived" || event.type === "FileWithdrawn";

/** In a mirror names are what is followed: another node had this one before. */
function isOfAnother({ node, parent, name }: Trail, event: MachineEvent): event is OfName {
  return isOfName(event) && event.parent === parent && event.name === name && event.node !== node;
}

/** Whether an event says something of the node. */
function concerns({ node }: Trail, event: MachineEvent): boolean {
  if (node === undefined) return false;
  if ("node" in event && event.node === node) return event.type !== "PassStarted";
  if (event.type === "NodeRenamed") return event.fromParent === node || event.toParent === node;
  if (isOfName(event)) return event.parent === node;
  return (event.type === "NodeCreated" || event.type === "NodeLinked" || event.type === "NodeUnlinked") && event.parent === node;
}

/** What is followed before `event`. */
function stepBack(trail: Trail, event: MachineEvent): Trail {
  const { node, parent, name } = trail;
  switch (event.type) {
    case "NodeCreated":
      return event.node === node ? { node: undefined, parent: event.parent, name: event.name } : trail;
    case "NodeRenamed": {
      const isHere = event.toParent === parent && event.toName === name;
      if (event.node === node && isHere && event.replaced !== 0) return { node: event.replaced, parent, name };
      if (event.node === node && isHere) return { node, parent: event.fromParent, name: event.fromName };
      const isLeft = node === undefined && event.fromParent === parent && event.fromName === name;
      return isLeft ? { node: event.node, parent, name } : trail;
    }
    case "NodeUnlinked":
      return node === undefined && event.parent === parent && event.name === name ? { node: event.node, parent, name } : trail;
    default:
      return trail;
  }
}

/** Newest first. */
async function versionsOf(source: HistorySource, interval: Interval, found: readonly Found[]): Promise<Version[]> {
  if (found.length === 0) return [];
  const nodes = Map.groupBy(found, (each) => each.revision);
  const before = new Map<NodeId, NonNullable<Known>>();
  const versions: Version[] = [];
  const onBefore = (state: State, { revision }: Moment): void => {
    before.clear();
    for (const { node } of nodes.get(revision)!) {
      const known = knownOf(state, node);
      if (known !== undefined) before.set(node, known);
    }
  };
  const onAfter = (state: State, moment: Moment): void => {
    for (const each of nodes.get(moment.revision)!.toReversed()) {
      const version = versionOf(each, { ...moment, events: moment.batch.events }, before.get(each.node), knownOf(state, each.node));
      if (version !== undefined) versions.push(version);
    }
  };
  await replayInterval(source, interval, new Set(nodes.keys()), onBefore, onAfter);
  return versions.toReversed();
}

export type Known = { readonly record: NodeRecord; readonly path: ByteString } | undefined;

/** A node as an answer may show it; undefined where it is not there, or a first pass over it is under way. */
export function knownOf(state: State, node: NodeId): Known {
  const record = state.node(node);
  const name = record?.names.at(-1);
  if (record === undefined || record.hidden || name === undefined) return undefined;
  return { record, path: (pathOf(state, name.parent, name.name) ?? name.name) as ByteString };
}

/** What an instant did to nodes: `events` are those of the batch, or of them those that tell of the node asked for. */
export interface Told extends Pick<Moment, "revision" | "timeUs"> {
  readonly events: readonly Recorded[];
}

/** undefined where nothing of it can be seen: a pass is under way, or it came and went within the batch. */
export function versionOf({ node, isReplacement }: Described, { events, revision, timeUs }: Told, before: Known, after: Known): Version | undefined {
  const known = after ?? before;
  if (known === undefined) return undefined;
  const isStill = before !== undefined && after !== undefined && before.record === after.record && after.record.kind !== "directory";
  if (isStill && !hasWritten(node, events)) return undefined;
  const { kind, sizeBytes, unsettled } = known.record;
  const changes = describe({ node, isReplacement }, events, before?.record, after?.record);
  if (changes.length === 0) return undefined;
  const origins = originsOf(node, events);
  return { revision, timeUs, node, path: known.path, kind, sizeBytes, changes, unsettled, deleted: after === undefined, origins };
}

function hasWritten(node: NodeId, events: readonly Recorded[]): boolean {
  return events.some(({ event }) => (event.type === "ExtentsWritten" || event.type === "RangeZeroed" || event.type === "RangeCloned") && event.node === node);
}
