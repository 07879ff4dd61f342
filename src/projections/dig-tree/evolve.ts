/**
 * A machine's events, folded: evolve(state, event) is total and never throws on odd sequences; an event that contradicts what is
 * known (an unknown node, a name that is not there) is passed over and counted.
 */
import { MACHINE_NODE } from "../../core/index.ts";
import type {
  ByteString,
  FileArrived,
  FileWithdrawn,
  LinkArrived,
  NodeCreated,
  NodeId,
  NodeLinked,
  NodeRenamed,
  NodeUnlinked,
  Revision,
  TimeUs,
  Xattr,
} from "../../core/index.ts";
import { decodeStored, nodeOfStored } from "../../events/index.ts";
import type { EventMetadata, MachineEvent, MachineEventType, Rebased, Recorded, StoredBatch, StoredEvent } from "../../events/index.ts";
import type { NodeName } from "../view.ts";
import { applyAttributes, applyClone, applyExtents, applySize, applyZeros, dropContent, ignore, settle, startPass } from "./content.ts";
import {
  closedGapKey,
  decodeGap,
  encodeFact,
  encodeGap,
  MIRROR_KEY,
  openGapKey,
  POLICY_KEY,
  purgeKey,
  REBASED_KEY,
  rootKey,
  snapshotKey,
  stretchKey,
} from "./control.ts";
import type { ClockJumps, RebasedFact } from "./control.ts";
import { forgetPurges } from "./purges.ts";
import { renamed } from "./state.ts";
import type { Rename, State } from "./state.ts";
import type { StoredNode } from "./values.ts";

const NO_XATTRS: readonly Xattr[] = [];
const NO_TARGET = "" as ByteString;
const STEP_US = 1_000_000; // Clocks that are slewed go back by less; more is another stretch of time.

export function evolve(state: State, { event, revision, metadata }: Recorded): void {
  apply(state, event, revision, metadata.hostTimeUs);
  if (metadata.batchEnd !== undefined) endBatch(state, metadata, revision);
}

/** Facts of one file, which nothing else depends on. */
const LATE: ReadonlySet<string> = new Set<MachineEventType>(["ExtentsWritten", "AttributesSet", "SizeSet", "RangeZeroed"]);

/** A batch into a lazy State: what can be put off is not even decoded. `onEvent` sees all else before it is applied. */
export function evolveLazily(state: State, batch: StoredBatch, onEvent?: (recorded: Recorded) => void): void {
  batch.stored.forEach((stored, index) => {
    const node = LATE.has(stored.type) ? nodeOfStored(stored) : undefined;
    if (node !== undefined) return state.putOff(node, stored);
    const recorded = batch.recorded(index);
    onEvent?.(recorded);
    apply(state, recorded.event, stored.revision, recorded.metadata.hostTimeUs);
  });
  endBatch(state, batch.end, batch.last);
}

export function applyLate(state: State, change: StoredEvent): void {
  apply(state, decodeStored(change), change.revision);
}

function apply(state: State, event: MachineEvent, revision: Revision, hostTimeUs = 0 as TimeUs): void {
  switch (event.type) {
    case "ExtentsWritten":
      return applyExtents(state, event);
    case "AttributesSet":
      return applyAttributes(state, event);
    case "SizeSet":
      return applySize(state, event);
    case "RangeZeroed":
      return applyZeros(state, event);
    case "RangeCloned":
      return applyClone(state, event);
    case "PassStarted":
      return startPass(state, event.node);
    case "VersionSettled":
      return settle(state, event);
    case "NodeCreated":
      return create(state, event);
    case "NodeLinked":
      return link(state, event);
    case "NodeRenamed":
      return rename(state, event);
    case "NodeUnlinked":
    case "FileWithdrawn":
      return unlink(state, event);
    case "FileArrived":
    case "LinkArrived":
      return arrive(state, event);
    default:
      return applyToMachine(state, event, revision, hostTimeUs);
  }
}

type FileFact = "ExtentsWritten" | "AttributesSet" | "SizeSet" | "RangeZeroed" | "RangeCloned" | "PassStarted" | "VersionSettled";
type MirrorFact = "FileArrived" | "LinkArrived" | "FileWithdrawn";
type MachineFact = Exclude<MachineEvent, { type: FileFact | MirrorFact | `Node${string}` }>;

function applyToMachine(state: State, event: MachineFact, revision: Revision, hostTimeUs: TimeUs): void {
  switch (event.type) {
    case "ChunksStored":
      event.chunks.forEach((_, i) => state.counts?.touch(event.first + i));
      return state.setTimes({
        ...state.times,
        nextChunk: Math.max(state.times.nextChunk, event.first + event.chunks.length),
        payloadBytes: event.chunks.reduce((sum, chunk) => sum + chunk.lengthBytes, state.times.payloadBytes),
      });
    case "RootProtected": {
      const { type: _, ...root } = event;
      return state.setControl(rootKey(event.root), encodeFact(root));
    }
    case "RootReleased":
      return releaseRoot(state, event.root);
    case "CaughtUp":
      return state.setTimes({ ...state.times, caughtUpUs: event.agentTimeUs });
    case "GapOpened": {
      const node = event.scope.kind === "machine" ? MACHINE_NODE : event.scope.node;
      const { gap, reason, fromUs, detail } = event;
      return state.setControl(openGapKey(gap), encodeGap({ gap, reason, node, fromUs, detail, openedAt: revision, closedAt: undefined }));
    }
    case "GapClosed":
      return closeGap(state, event.gap, revision);
    case "SnapshotTaken": {
      const { type: _, ...taken } = event;
      return state.setControl(snapshotKey(event.name), encodeFact({ ...taken, takenUs: hostTimeUs, takenAt: revision }));
    }
    case "SnapshotDropped":
      return state.setControl(snapshotKey(event.name), null);
    case "PolicySet":
      return state.setControl(POLICY_KEY, encodeFact(event.policy));
    case "PathPurged":
      return state.setControl(purgeKey(revision), encodeFact({ path: event.path, revision, timeUs: hostTimeUs, nodes: event.nodes }));
    case "Rebased":
      state.setControl(REBASED_KEY, encodeFact(rebasedFact(revision, event)));
      return forgetPurges(state, event.window);
    case "EpochStarted": // What is staged stays: the agent knows what the host has of a pass, and goes on with it in the next session.
    case "ClockStepped": // Batches' own times say it.
    case "ReconcileFinished":
    case "MachineEnrolled":
    case "HostOpened":
    case "SyncStarted":
    case "SyncFinished":
    case "SyncFailed":
      return;
    case "MirrorDefined": {
      const { type: _, ...definition } = event;
      return state.setControl(MIRROR_KEY, encodeFact(definition));
    }
    default:
      return ignore(state); // A type of a newer version never gets here: the codec refuses it.
  }
}

/** Batches of the host carry the host's clock and say nothing of the agent's. */
function endBatch(state: State, metadata: EventMetadata, revision: Revision): void {
  state.counts?.endBatch(revision);
  if (metadata.epoch === 0) return;
  const { agentTimeUs } = metadata;
  const before = state.times.agentTimeUs;
  if (before === 0 || agentTimeUs < before - STEP_US) {
    const first = (revision - (metadata.batchEnd?.count ?? 1) + 1) as Revision;
    state.setControl(stretchKey(first), encodeFact({ revision: first, fromUs: agentTimeUs }));
    state.setTimes({ ...state.times, agentTimeUs });
  } else state.setTimes({ ...state.times, agentTimeUs: Math.max(before, agentTimeUs) as TimeUs });
}

function closeGap(state: State, gap: string, closedAt: Revision): void {
  const value = state.control(openGapKey(gap));
  if (value === undefined) return ignore(state);
  state.setControl(openGapKey(gap), null);
  state.setControl(closedGapKey(closedAt, gap), encodeGap({ ...decodeGap(value), closedAt }));
}

function releaseRoot(state: State, root: NodeId): void {
  state.setControl(rootKey(root), null);
  const node = state.nodeForNames(root);
  if (node === undefined) return ignore(state);
  for (const { parent, name } of node.names) removeName(state, parent, name, root);
}

function create(state: State, event: NodeCreated): void {
  const { node, kind, attributes, linkTarget, rdev, parent, name } = event;
  const sizeBytes = kind === "symlink" ? linkTarget.length : 0;
  const marks = { unsettled: false, hidden: false, pristine: kind === "file" };
  settleIn(state, { node, kind, attributes, sizeBytes, linkTarget, rdev, names: [{ parent, name }], ...marks });
}

/** A new node takes its one name. */
function settleIn(state: State, record: StoredNode): void {
  const { node, kind } = record;
  const { parent, name } = record.names[0]!;
  if (node === MACHINE_NODE || state.nodeForNames(node) !== undefined || !isDirectory(state, parent)) return ignore(state);
  state.forgetLate(node); // Said of a node that was not there.
  takeOver(state, parent, name);
  state.setNode(node, record);
  state.setName(parent, name, { node, kind, hidden: false });
}

/** Of a mirror: a new node, or another version of what has the name. */
function arrive(state: State, event: FileArrived | LinkArrived): void {
  const { node, parent, name } = event;
  const record = arrivedNode(event);
  state.setTimes({ ...state.times, payloadBytes: state.times.payloadBytes + record.sizeBytes });
  const there = state.name(parent, name);
  if (there?.node !== node || there.kind !== record.kind) return settleIn(state, record);
  state.forgetLate(node); // It says all anew.
  state.setNode(node, record);
}

/** Written out, as copies of objects would be a good part of what a million files cost. */
function arrivedNode(event: FileArrived | LinkArrived): StoredNode {
  const { node, parent, name, mode, mtimeSeconds, mtimeNanos, place } = event;
  const isLink = event.type === "LinkArrived";
  const kind = isLink ? "symlink" : event.kind;
  const attributes = { mode, uid: 0, gid: 0, mtimeSeconds, mtimeNanos, btimeSeconds: 0, btimeNanos: 0, xattrs: NO_XATTRS };
  const linkTarget = isLink ? event.linkTarget : NO_TARGET;
  const sizeBytes = isLink ? linkTarget.length : event.sizeBytes;
  const rdev = isLink ? 0 : event.rdev;
  const digest = isLink ? undefined : event.digest;
  const names = [{ parent, name }];
  const isBare = digest === undefined && place === undefined;
  if (isBare) return { node, kind, attributes, sizeBytes, linkTarget, rdev, names, unsettled: false, hidden: false, pristine: false };
  const mirrored = { digest, place };
  return { node, kind, attributes, sizeBytes, linkTarget, rdev, names, unsettled: false, hidden: false, pristine: false, mirrored };
}

function link(state: State, event: NodeLinked): void {
  const { parent, name } = event;
  const known = state.nodeForNames(event.node);
  if (known === undefined || known.kind === "directory" || !isDirectory(state, parent)) return ignore(state);
  if (state.name(parent, name)?.node === event.node) return;
  state.setNode(event.node, { ...known, names: [...known.names, { parent, name }] });
  takeOver(state, parent, name); // Afterwards: what goes may hold other names of this node.
  state.setName(parent, name, { node: event.node, kind: known.kind, hidden: known.hidden });
}

function rename(state: State, event: NodeRenamed): void {
  const { node, fromParent, fromName, toParent, toName } = event;
  const value = state.name(fromParent, fromName);
  if (value?.node !== node || !isDirectory(state, toParent)) return ignore(state);
  if (fromParent === toParent && fromName === toName) return;
  if (value.kind === "directory" && isBelow(state, toParent, node)) return ignore(state);
  const there = state.name(toParent, toName);
  const isThere = there?.node === node;
  state.setName(fromParent, fromName, null);
  moveName(state, node, { from: { parent: fromParent, name: fromName }, to: isThere ? undefined : { parent: toParent, name: toName } });
  if (there !== undefined && !isThere) removeName(state, toParent, toName, there.node);
  state.setName(toParent, toName, value);
}

function moveName(state: State, node: NodeId, change: Rename): void {
  if (state.isLazy) return state.putOffRename(node, change);
  const known = state.nodeForNames(node);
  if (known !== undefined) state.setNode(node, { ...known, names: renamed(known.names, change) });
}

function unlink(state: State, event: NodeUnlinked | FileWithdrawn): void {
  if (state.name(event.parent, event.name)?.node !== event.node) return ignore(state);
  removeName(state, event.parent, event.name, event.node);
}

function takeOver(state: State, parent: NodeId, name: ByteString): void {
  const there = state.name(parent, name);
  if (there !== undefined) removeName(state, parent, name, there.node);
}

/** A name goes; a node dies with its last name, and a directory takes its descendants along, without recursion. */
function removeName(state: State, parent: NodeId, name: ByteString, node: NodeId): void {
  const gone: { readonly parent: NodeId; readonly name: ByteString; readonly node: NodeId }[] = [{ parent, name, node }];
  for (let next = gone.pop(); next !== undefined; next = gone.pop()) {
    state.setName(next.parent, next.name, null);
    const record = state.nodeForNames(next.node);
    if (record === undefined) continue;
    const { parent: from, name: under } = next;
    const names = record.names.filter((each) => !isSame(each, from, under));
    if (names.length > 0) {
      state.setNode(record.node, { ...record, names });
      continue;
    }
    if (record.kind === "directory") for (const entry of state.names(record.node)) gone.push({ parent: record.node, name: entry.name, node: entry.value.node });
    die(state, record);
  }
}

function die(state: State, record: StoredNode): void {
  state.forgetLate(record.node);
  dropContent(state, record);
  state.setNode(record.node, null);
}

function isDirectory(state: State, node: NodeId): boolean {
  return node === MACHINE_NODE || state.nodeForNames(node)?.kind === "directory";
}

/** Whether `node` is `ancestor` or lies below it. */
function isBelow(state: State, node: NodeId, ancestor: NodeId): boolean {
  for (let at: NodeId | undefined = node; at !== undefined && at !== MACHINE_NODE; at = state.nodeForNames(at)?.names[0]?.parent) {
    if (at === ancestor) return true;
  }
  return false;
}

function isSame(each: NodeName, parent: NodeId, name: ByteString): boolean {
  return each.parent === parent && each.name === name;
}

/** What is no list of jumps is as if it were not there. */
function rebasedFact(revision: Revision, { window, state }: Rebased): RebasedFact {
  const listed = Array.isArray(state["jumps"]) ? (state["jumps"] as Partial<ClockJumps[number]>[]) : [];
  const jumps = listed.flatMap((jump) => (typeof jump?.fromUs === "number" && typeof jump.toUs === "number" ? [{ fromUs: jump.fromUs, toUs: jump.toUs }] : []));
  return { revision, window, ...(jumps.length === 0 ? {} : { jumps }) };
}
