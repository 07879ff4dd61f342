/**
 * What events say of one file's bytes and attributes. While a pass over the file is under way (a bracket is open) everything goes to
 * staged regions and the bracket: a staged region is whole, a copy of the settled one with what came since; settling moves them.
 * A settled file never has extents beyond its size.
 */
import { REGION_BYTES } from "../../core/index.ts";
import type { AttributesSet, Extent, ExtentsWritten, NodeId, RangeCloned, RangeZeroed, SizeSet, VersionSettled } from "../../core/index.ts";
import { collectExtents, countAll, EMPTY_RECORD, overwrite, recordEnd, regionOf } from "../blob-record/index.ts";
import type { RegionRecord } from "../blob-record/index.ts";
import type { State } from "./state.ts";
import type { StoredNode } from "./values.ts";

const NO_CHUNK = 0;

/** Regions a file of that size may have: [0, this). */
export function regionLimit(sizeBytes: number): number {
  return Math.ceil(sizeBytes / REGION_BYTES);
}

export function applyExtents(state: State, event: ExtentsWritten): void {
  if (isAppliedInside(state, event)) return;
  const file = openFile(state, event.node);
  if (file === undefined) return;
  let region = -1;
  let record: RegionRecord = EMPTY_RECORD;
  for (const extent of event.extents) {
    let done = 0;
    while (done < extent.length) {
      const offset = extent.offset + done;
      const here = regionOf(offset);
      if (here !== region) {
        if (region >= 0) file.put(region, record);
        region = here;
        record = file.get(region);
      }
      const from = offset - region * REGION_BYTES;
      const length = Math.min(extent.length - done, REGION_BYTES - from);
      record = overwrite(record, from, from + length, extent.chunk, extent.chunkOffset + done, state.count);
      done += length;
    }
  }
  if (region >= 0) file.put(region, record);
  const last = event.extents.at(-1);
  file.finish(last === undefined ? 0 : last.offset + last.length);
}

/**
 * Writes inside what a settled file has already, in one region: its size and marks stay as they are, so that nobody needs its node. That
 * a record is there says that the node is a file that is neither pristine nor hidden, and is at least as long as the record's last extent.
 */
function isAppliedInside(state: State, { node, extents }: ExtentsWritten): boolean {
  if (extents.length === 0 || state.isLazy || state.isNodeAtHand(node) || state.bracket(node) !== undefined) return false;
  const region = regionOf(extents[0]!.offset);
  const base = region * REGION_BYTES;
  const before = state.region(node, region, false);
  if (before === undefined) return false;
  const end = base + recordEnd(before);
  let record = before;
  for (const { offset, length } of extents) if (offset < base || offset + length > end) return false;
  for (const { offset, length, chunk, chunkOffset } of extents)
    record = overwrite(record, offset - base, offset - base + length, chunk, chunkOffset, state.count);
  state.setRegion(node, region, false, record.length === 0 ? null : record);
  return true;
}

export function applyZeros(state: State, event: RangeZeroed): void {
  const file = openFile(state, event.node);
  if (file === undefined) return;
  file.clear(event.offset, event.offset + event.length);
  file.finish(event.offset + event.length);
}

export function applySize(state: State, event: SizeSet): void {
  const file = openFile(state, event.node);
  if (file === undefined) return;
  if (event.sizeBytes < file.sizeBytes) file.clear(event.sizeBytes, file.sizeBytes);
  file.setSize(event.sizeBytes);
}

/** Copies what is settled of the source. */
export function applyClone(state: State, event: RangeCloned): void {
  const source = state.node(event.fromNode);
  const extents = source === undefined ? [] : settledExtents(state, source, event.fromOffset, event.fromOffset + event.length);
  const file = openFile(state, event.node);
  if (file === undefined) return;
  const shift = event.offset - event.fromOffset;
  file.clear(event.offset, event.offset + event.length);
  file.finish(event.offset + event.length);
  if (extents.length === 0) return;
  applyExtents(state, { type: "ExtentsWritten", node: event.node, extents: extents.map((extent) => ({ ...extent, offset: extent.offset + shift })) });
}

export function applyAttributes(state: State, event: AttributesSet): void {
  const node = state.node(event.node);
  if (node === undefined) return ignore(state);
  const bracket = state.bracket(event.node);
  const linkTarget = event.linkTarget === "" ? node.linkTarget : event.linkTarget;
  if (bracket !== undefined) return state.setBracket(event.node, { ...bracket, attributes: event.attributes, linkTarget });
  const sizeBytes = node.kind === "symlink" ? linkTarget.length : node.sizeBytes;
  setVersion(state, { ...node, attributes: event.attributes, linkTarget, sizeBytes });
}

/** A pass over a file that never had a version hides it: an empty file that never was would be a wrong answer. */
export function startPass(state: State, nodeId: NodeId): void {
  const node = state.node(nodeId);
  if (node === undefined) return ignore(state);
  dropStaged(state, node);
  if (node.pristine && !node.hidden) setHidden(state, { ...node, hidden: true });
  state.setBracket(nodeId, { sizeBytes: node.sizeBytes, attributes: undefined, linkTarget: node.linkTarget });
}

export function settle(state: State, event: VersionSettled): void {
  const node = state.node(event.node);
  if (node === undefined) return ignore(state);
  const bracket = state.bracket(event.node);
  if (bracket === undefined) return setVersion(state, { ...node, unsettled: event.unsettled });
  for (const [region, record] of state.regions(node.node, 0, stagedLimit(node, bracket.sizeBytes), true)) {
    const before = state.region(node.node, region, false);
    if (before !== undefined) countAll(before, -1, state.count);
    state.setRegion(node.node, region, true, null);
    if (record.length > 0) state.setRegion(node.node, region, false, record);
    else if (before !== undefined) state.setRegion(node.node, region, false, null);
  }
  state.setBracket(node.node, null);
  const { attributes, linkTarget } = bracket.attributes === undefined ? node : { attributes: bracket.attributes, linkTarget: bracket.linkTarget };
  const sizeBytes = node.kind === "symlink" ? linkTarget.length : bracket.sizeBytes;
  setVersion(state, { ...node, sizeBytes, linkTarget, attributes, unsettled: event.unsettled });
}

/** The staged state of a node goes, with its bracket. */
export function dropStaged(state: State, node: StoredNode): void {
  const bracket = state.bracket(node.node);
  if (bracket === undefined) return;
  for (const [region, record] of state.regions(node.node, 0, stagedLimit(node, bracket.sizeBytes), true)) {
    countAll(record, -1, state.count);
    state.setRegion(node.node, region, true, null);
  }
  state.setBracket(node.node, null);
}

/** Every extent of a file, settled or staged. */
export function chunksOfNode(state: State, nodeId: NodeId, count: (chunk: number) => void): void {
  const node = state.node(nodeId);
  if (node?.kind !== "file") return;
  const limit = stagedLimit(node, state.bracket(nodeId)?.sizeBytes ?? 0);
  for (const isStaged of [false, true]) for (const [, record] of state.regions(nodeId, 0, limit, isStaged)) countAll(record, 1, count);
}

/** All content of a node that dies. */
export function dropContent(state: State, node: StoredNode): void {
  dropStaged(state, node);
  if (node.kind !== "file" || state.isLazy) return; // Nobody asks a view for the content of a node that is gone.
  for (const [region, record] of state.regions(node.node, 0, regionLimit(node.sizeBytes), false)) {
    countAll(record, -1, state.count);
    state.setRegion(node.node, region, false, null);
  }
}

/** Extents that cover [from, to) of the settled file. */
export function settledExtents(state: State, node: StoredNode, from: number, to: number): Extent[] {
  const end = Math.min(to, node.sizeBytes);
  const extents: Extent[] = [];
  if (node.kind !== "file" || from >= end) return extents;
  for (const [region, record] of state.regions(node.node, regionOf(from), regionLimit(end), false)) collectExtents(record, region, from, end, extents);
  return extents;
}

export function setHidden(state: State, node: StoredNode): void {
  state.setNode(node.node, node);
  for (const { parent, name } of node.names) state.setName(parent, name, { node: node.node, kind: node.kind, hidden: node.hidden });
}

export function ignore(state: State): void {
  state.ignoredCount += 1;
}

/** The file has a version, which is no longer only a name. */
function setVersion(state: State, node: StoredNode): void {
  const version = node.pristine || node.hidden ? { ...node, pristine: false, hidden: false } : node;
  if (node.hidden) setHidden(state, version);
  else state.setNode(node.node, version);
}

/** Both sizes bound where staged regions can be: those that a shrinking pass emptied lie beyond the bracket's. */
function stagedLimit(node: StoredNode, sizeBytes: number): number {
  return regionLimit(Math.max(node.sizeBytes, sizeBytes));
}

interface OpenFile {
  readonly sizeBytes: number;
  get(region: number): RegionRecord;
  put(region: number, record: RegionRecord): void;
  /** Zeros from here to there; the size stays. */
  clear(from: number, to: number): void;
  setSize(sizeBytes: number): void;
  /** The size grows to `endBytes` where it is smaller. */
  finish(endBytes: number): void;
}

function openFile(state: State, nodeId: NodeId): OpenFile | undefined {
  const node = state.node(nodeId);
  if (node === undefined || node.kind !== "file") {
    ignore(state);
    return undefined;
  }
  return state.bracket(nodeId) === undefined ? new SettledFile(state, node) : new StagedFile(state, node);
}

class SettledFile implements OpenFile {
  private readonly state: State;
  private readonly node: StoredNode;
  /** The highest region that was put. */
  private highest = -1;

  constructor(state: State, node: StoredNode) {
    this.state = state;
    this.node = node;
  }

  get sizeBytes(): number {
    return this.node.sizeBytes;
  }

  get(region: number): RegionRecord {
    if (this.node.pristine && region > this.highest) return EMPTY_RECORD; // Nothing was said of it before: there is nothing to look for.
    return this.state.region(this.node.node, region, false) ?? EMPTY_RECORD;
  }

  put(region: number, record: RegionRecord): void {
    this.highest = Math.max(this.highest, region);
    this.state.setRegion(this.node.node, region, false, record.length === 0 ? null : record);
  }

  clear(from: number, to: number): void {
    const end = Math.min(to, this.sizeBytes);
    if (from >= end) return;
    for (const [region, record] of this.state.regions(this.node.node, regionOf(from), regionLimit(end), false))
      this.put(region, clearRange(this.state, record, region, from, end));
  }

  setSize(sizeBytes: number): void {
    setVersion(this.state, { ...this.node, sizeBytes });
  }

  finish(endBytes: number): void {
    if (endBytes > this.sizeBytes || this.node.pristine || this.node.hidden) this.setSize(Math.max(endBytes, this.sizeBytes));
  }
}

class StagedFile implements OpenFile {
  private readonly state: State;
  private readonly node: StoredNode;

  constructor(state: State, node: StoredNode) {
    this.state = state;
    this.node = node;
  }

  get sizeBytes(): number {
    return this.state.bracket(this.node.node)!.sizeBytes;
  }

  /** The staged region, or a copy of the settled one: its references count from here on, as it is about to be put. */
  get(region: number): RegionRecord {
    const staged = this.state.region(this.node.node, region, true);
    if (staged !== undefined) return staged;
    const settled = this.state.region(this.node.node, region, false) ?? EMPTY_RECORD;
    countAll(settled, 1, this.state.count);
    return settled;
  }

  /** An empty record hides a settled region. Where there is none it goes, as nobody would look for it beyond a size that has shrunk. */
  put(region: number, record: RegionRecord): void {
    const hidesNothing = record.length === 0 && this.state.region(this.node.node, region, false) === undefined;
    this.state.setRegion(this.node.node, region, true, hidesNothing ? null : record);
  }

  clear(from: number, to: number): void {
    const end = Math.min(to, Math.max(this.sizeBytes, this.node.sizeBytes));
    if (from >= end) return;
    const [first, limit] = [regionOf(from), regionLimit(end)];
    const present = new Set<number>();
    for (const isStaged of [false, true]) for (const [region] of this.state.regions(this.node.node, first, limit, isStaged)) present.add(region);
    for (const region of present) this.put(region, clearRange(this.state, this.get(region), region, from, end));
  }

  setSize(sizeBytes: number): void {
    this.state.setBracket(this.node.node, { ...this.state.bracket(this.node.node)!, sizeBytes });
  }

  finish(endBytes: number): void {
    if (endBytes > this.sizeBytes) this.setSize(endBytes);
  }
}

function clearRange(state: State, record: RegionRecord, region: number, from: number, to: number): RegionRecord {
  const base = region * REGION_BYTES;
  return overwrite(record, Math.max(0, from - base), Math.min(REGION_BYTES, to - base), NO_CHUNK, 0, state.count);
}
