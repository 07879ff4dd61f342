/** What a batch did to one node, in words for people. */
import { displayOf } from "../../core/index.ts";
import type { Attributes, ChangeOrigin, NodeId } from "../../core/index.ts";
import type { Recorded } from "../../events/index.ts";
import type { NodeRecord } from "../view.ts";

const KIB = 1024;
const UNITS = ["KiB", "MiB", "GiB", "TiB"];
const NAMES_SHOWN = 3; // Of those that came to a directory or went.

/** "17 bytes", "4.0 KiB". */
export function sizeText(bytes: number): string {
  if (bytes < KIB) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let value = bytes / KIB;
  let unit = 0;
  while (value >= KIB && unit < UNITS.length - 1) {
    value /= KIB;
    unit += 1;
  }
  return `${value.toFixed(1)} ${UNITS[unit]!}`;
}

export interface Described {
  readonly node: NodeId;
  /** The node took over the name of another one, which is followed from here on back. */
  readonly isReplacement: boolean;
}

/** `events`: the batch's, or those of them that tell of the node. `before` and `after`: the node's record on both sides of the batch; undefined where it was not there. */
export function describe(
  { node, isReplacement }: Described,
  events: readonly Recorded[],
  before: NodeRecord | undefined,
  after: NodeRecord | undefined,
): string[] {
  const said: string[] = [];
  if (isReplacement) said.push("replaced");
  else if (before === undefined && after !== undefined) said.push("created");
  said.push(...contentChanges(node, events, before, after));
  if (before !== undefined && after !== undefined) said.push(...attributeChanges(before.attributes, after.attributes), ...nameChanges(before, after));
  if (before !== undefined && before.linkTarget !== after?.linkTarget && after !== undefined) said.push(`now links to '${displayOf(after.linkTarget)}'`);
  said.push(...entryChanges(node, events));
  if (after?.unsettled === true && before?.unsettled !== true) said.push("not at rest while it was read");
  if (after === undefined) said.push("deleted");
  return said;
}

/** The processes that made changes of a node in a batch, each once. */
export function originsOf(node: NodeId, events: readonly Recorded[]): ChangeOrigin[] {
  const found = new Map<string, ChangeOrigin>();
  for (const { event, metadata } of events) {
    const { origin } = metadata;
    if (origin !== undefined && "node" in event && event.node === node) found.set(`${origin.pid} ${origin.name}`, origin);
  }
  return [...found.values()];
}

function contentChanges(node: NodeId, events: readonly Recorded[], before: NodeRecord | undefined, after: NodeRecord | undefined): string[] {
  const said: string[] = [];
  let [writtenBytes, isCloned, isSettled] = [0, false, false];
  for (const { event } of events) {
    if (!("node" in event) || event.node !== node) continue;
    if (event.type === "ExtentsWritten") writtenBytes += event.extents.reduce((sum, extent) => sum + extent.length, 0);
    if (event.type === "FileArrived" && event.kind === "file") said.push(`arrived ${sizeText(event.sizeBytes)}`);
    if (event.type === "RangeCloned") isCloned = true;
    if (event.type === "VersionSettled") isSettled = true;
  }
  if (writtenBytes > 0) said.push(`written ${sizeText(writtenBytes)}`);
  else if (isSettled && before !== undefined && after !== undefined) said.push("a new version read in several steps");
  if (isCloned) said.push("a range copied");
  if (before !== undefined && after !== undefined && after.sizeBytes !== before.sizeBytes && after.kind === "file") {
    const how = after.sizeBytes < before.sizeBytes ? "shrunk" : "grown";
    said.push(`${how} from ${sizeText(before.sizeBytes)} to ${sizeText(after.sizeBytes)}`);
  }
  return said;
}

function attributeChanges(before: Attributes, after: Attributes): string[] {
  const said: string[] = [];
  const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
  if (before.mode !== after.mode) said.push(`mode ${octal(before.mode)} -> ${octal(after.mode)}`);
  if (before.uid !== after.uid || before.gid !== after.gid) said.push(`owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  const isSameXattrs = before.xattrs.length === after.xattrs.length && before.xattrs.every((xattr, i) => sameXattr(xattr, after.xattrs[i]!));
  if (!isSameXattrs) said.push("extended attributes set");
  if (said.length === 0 && (before.mtimeSeconds !== after.mtimeSeconds || before.mtimeNanos !== after.mtimeNanos)) said.push("time set");
  return said;
}

function sameXattr(a: Attributes["xattrs"][number], b: Attributes["xattrs"][number]): boolean {
  return a.name === b.name && Buffer.compare(a.value, b.value) === 0;
}

function nameChanges(before: NodeRecord, after: NodeRecord): string[] {
  const isIn = (names: NodeRecord["names"], name: NodeRecord["names"][number]): boolean =>
    names.some((each) => each.parent === name.parent && each.name === name.name);
  const lost = before.names.filter((name) => !isIn(after.names, name));
  const gained = after.names.filter((name) => !isIn(before.names, name));
  const said = lost.slice(0, gained.length).map((name, i) => `${name.name === gained[i]!.name ? "moved" : "renamed"} from '${displayOf(name.name)}'`);
  said.push(...gained.slice(lost.length).map((name) => `also named '${displayOf(name.name)}'`));
  said.push(...lost.slice(gained.length).map((name) => `no longer named '${displayOf(name.name)}'`));
  return said;
}

/** What came to a directory and what went. */
function entryChanges(node: NodeId, events: readonly Recorded[]): string[] {
  const [came, arrived, went]: [string[], string[], string[]] = [[], [], []];
  for (const { event } of events) {
    if ((event.type === "NodeCreated" || event.type === "NodeLinked") && event.parent === node) came.push(displayOf(event.name));
    if ((event.type === "FileArrived" || event.type === "LinkArrived") && event.parent === node) arrived.push(displayOf(event.name));
    if ((event.type === "NodeUnlinked" || event.type === "FileWithdrawn") && event.parent === node) went.push(displayOf(event.name));
    if (event.type !== "NodeRenamed") continue;
    if (event.toParent === node) came.push(displayOf(event.toName));
    if (event.fromParent === node) went.push(displayOf(event.fromName));
  }
  const list = (what: string, names: readonly string[]): string[] => {
    if (names.length === 0) return [];
    const shown = names
      .slice(0, NAMES_SHOWN)
      .map((name) => `'${name}'`)
      .join(", ");
    return [`${what} ${shown}${names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ""}`];
  };
  return [...list("entries came:", came), ...list("entries came or changed:", arrived), ...list("entries went:", went)];
}
