/** What was deleted and when, newest first, with what is needed to bring it back. */
import type { ByteString, NodeId, NodeKind, Revision, TimeUs } from "../../core/index.ts";
import type { MachineEvent, MachineEventType } from "../../events/index.ts";
import type { State } from "../dig-tree/internal.ts";
import { eventsBackwards, intervalsOf, pathOf, replayInterval } from "./intervals.ts";
import type { HistorySource, Interval, Moment } from "./intervals.ts";

export interface Deletion {
  readonly path: ByteString;
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
  /** Agent time of the batch that took it. */
  readonly timeUs: TimeUs;
  /** The end of the batch that took it. */
  readonly revision: Revision;
  /** The batch end before: there it can be read and restored. */
  readonly lastRevision: Revision;
}

const TAKING: ReadonlySet<string> = new Set<MachineEventType>(["NodeUnlinked", "FileWithdrawn", "RootReleased"]);

interface Candidate {
  readonly node: NodeId;
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly nameCount: number;
}

/**
 * Deletions below `prefix` ("": all) up to `source.head`. A directory that went with what it held is one deletion, and so is one name
 * of a file that keeps others. What moved elsewhere, or was replaced by something of the same name, was not deleted.
 */
export async function* deletionsOf(source: HistorySource, prefix: ByteString): AsyncGenerator<Deletion> {
  for (const interval of intervalsOf(source)) {
    const revisions = new Set<Revision>();
    for await (const page of eventsBackwards(source, interval)) for (const { stored, batchEnd } of page) if (TAKING.has(stored.type)) revisions.add(batchEnd);
    if (revisions.size > 0) yield* await deletionsIn(source, interval, revisions, prefix);
  }
}

function nodeThatGoes(event: MachineEvent): NodeId | undefined {
  if (event.type === "NodeUnlinked") return event.node;
  if (event.type === "FileWithdrawn") return event.reason === "forgotten" ? undefined : event.node; // It comes again with the next sync.
  if (event.type === "RootReleased") return event.root;
  return undefined;
}

/** Newest first. */
async function deletionsIn(source: HistorySource, interval: Interval, revisions: ReadonlySet<Revision>, prefix: ByteString): Promise<Deletion[]> {
  const deletions: Deletion[] = [];
  let candidates: Candidate[] = [];
  const onBefore = (state: State, { batch }: Moment): void => {
    candidates = batch.events.flatMap(({ event }) => {
      const node = nodeThatGoes(event);
      const candidate = node === undefined ? undefined : candidateOf(state, node, event);
      return candidate === undefined || !isBelow(candidate.path, prefix) ? [] : [candidate];
    });
  };
  const onAfter = (state: State, { revision, timeUs, before }: Moment): void => {
    const gone = candidates.filter((each) => state.name(each.parent, each.name) === undefined && (state.node(each.node)?.names.length ?? 0) < each.nameCount);
    const directories = new Set(gone.filter((each) => each.kind === "directory").map((each) => each.path));
    for (const { path, node, kind, sizeBytes } of gone.filter((each) => !liesIn(each.path, directories)))
      deletions.push({ path, node, kind, sizeBytes, timeUs, revision, lastRevision: before });
  };
  await replayInterval(source, interval, revisions, onBefore, onAfter);
  return deletions.toReversed();
}

/** By the name that went; where a batch renamed it first, by the name that it had before the batch. */
function candidateOf(state: State, node: NodeId, event: MachineEvent): Candidate | undefined {
  const record = state.node(node);
  const gone =
    event.type === "NodeUnlinked" || event.type === "FileWithdrawn"
      ? record?.names.find((each) => each.parent === event.parent && each.name === event.name)
      : undefined;
  const name = gone ?? record?.names[0];
  if (record === undefined || record.hidden || name === undefined) return undefined;
  const path = pathOf(state, name.parent, name.name);
  if (path === undefined) return undefined;
  return { node, path: path as ByteString, kind: record.kind, sizeBytes: record.sizeBytes, ...name, nameCount: record.names.length };
}

function isBelow(path: ByteString, prefix: ByteString): boolean {
  return prefix === "" || prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
}

/** Whether a path lies in one of the directories: `rm -r` is one deletion, not thousands. */
function liesIn(path: string, directories: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) if (directories.has(path.slice(0, at))) return true;
  return false;
}
