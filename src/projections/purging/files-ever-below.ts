/**
 * The files that lay at a path, or below it, at any instant that is kept: by their numbers, so that a purge of them reaches every name
 * they had. A file belongs to it where it was at the path at the end of some batch; what a folder holds after it moved elsewhere, or held
 * before it came, does not.
 */
import { MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, NodeId, NodeKind, Revision } from "../../core/index.ts";
import { NO_STREAM, readStoredBatches } from "../../events/index.ts";
import type { MachineEvent, Recorded } from "../../events/index.ts";
import { applyLate, evolveLazily, State } from "../dig-tree/internal.ts";
import { intervalsOf, refuseWhenEnded } from "../history/index.ts";
import type { HistorySource } from "../history/index.ts";
import { contains } from "../resolve-path.ts";

const SLICE_EVENTS = 2000;
const DEPTH_MAX = 4096; // Of a path; a damaged tree must not hold us in a circle.

export type ScopeProgress = (doneEvents: number, allEvents: number) => void;

export class FilesEverBelow {
  readonly path: ByteString;
  readonly files = new Set<NodeId>();
  private readonly parts: ReadonlySet<ByteString>;
  private readonly directories = new Set<NodeId>();
  /** What is at the path in the state that was looked at last. */
  private targets: ReadonlySet<NodeId> = new Set();
  /** Everything up to here was looked at; undefined at first. */
  private at: Revision | undefined;
  private sliceCount = 0;

  /** `path` has no empty parts and no slash at its end. */
  constructor(path: ByteString) {
    this.path = path;
    this.parts = new Set(path.split("/") as ByteString[]);
  }

  /** Looks at the instants of kept snapshots before the window, which are trees, and at those of the window up to the source's head. */
  async advance(source: HistorySource, oldTrees: readonly Revision[], onProgress: ScopeProgress = () => undefined): Promise<void> {
    const [from, isFirst] = [this.at ?? source.first - 1, this.at === undefined];
    if (isFirst) for (const revision of oldTrees) await this.lookAtTree(source, revision);
    if (isFirst && source.first > 0) await this.lookAtTree(source, (source.first - 1) as Revision);
    for (const { after, to } of [...intervalsOf(source)].reverse()) {
      if (to <= from) continue;
      await this.replay(source, after, to, from, (revision) => onProgress(revision - from, source.head - from));
    }
    this.at = source.head;
  }

  private async lookAtTree(source: HistorySource, revision: Revision): Promise<void> {
    const base = source.openBase(revision);
    try {
      this.targets = new Set();
      await this.look(new State({ base }));
    } finally {
      base?.close();
    }
  }

  private async replay(source: HistorySource, after: Revision, to: Revision, from: Revision | number, onProgress: (at: Revision) => void): Promise<void> {
    const base = after === NO_STREAM ? undefined : source.openBase(after);
    try {
      const state = new State({ base, applyLate });
      for await (const batch of readStoredBatches(source.store, source.stream, (after + 1) as Revision, to)) {
        const named: Recorded[] = [];
        evolveLazily(state, batch, (recorded) => {
          if (changesNames(recorded.event)) named.push(recorded);
        });
        if (batch.last > from) await this.lookAtBatch(state, named);
        await this.breathe(batch.stored.length);
        onProgress(batch.last);
      }
      refuseWhenEnded(source);
    } finally {
      base?.close();
    }
  }

  private async lookAtBatch(state: State, named: readonly Recorded[]): Promise<void> {
    if (named.some(({ event }) => this.touchesPath(event))) await this.look(state);
    for (const { event } of named) {
      if (event.type !== "NodeCreated" && event.type !== "NodeLinked" && event.type !== "NodeRenamed") continue;
      const record = state.nodeForNames(event.node);
      if (record?.names.some(({ parent }) => this.directories.has(parent) && this.isInside(state, parent)) === true)
        await this.take(state, event.node, record.kind);
    }
  }

  /** Takes what is at the path now and was not before. */
  private async look(state: State): Promise<void> {
    const before = this.targets;
    const now = targetsIn(state, this.path);
    this.targets = new Set(now.keys());
    for (const [node, kind] of now) if (!before.has(node)) await this.take(state, node, kind);
  }

  /** A node that is at or below the path, with all that is below it. */
  private async take(state: State, node: NodeId, kind: NodeKind): Promise<void> {
    const open = [{ node, kind }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.kind === "file") this.files.add(next.node);
      if (next.kind !== "directory") continue;
      this.directories.add(next.node);
      for (const { value } of state.names(next.node)) open.push(value);
      await this.breathe(1);
    }
  }

  private isInside(state: State, directory: NodeId): boolean {
    let at: NodeId | undefined = directory;
    for (let depth = 0; at !== undefined && at !== MACHINE_NODE && depth < DEPTH_MAX; depth++) {
      if (this.targets.has(at)) return true;
      at = state.nodeForNames(at)?.names[0]?.parent;
    }
    return false;
  }

  /** Whether the event may have changed what is at the path. */
  private touchesPath(event: MachineEvent): boolean {
    switch (event.type) {
      case "NodeCreated":
      case "NodeLinked":
      case "NodeUnlinked":
        return event.parent === MACHINE_NODE || this.parts.has(event.name);
      case "NodeRenamed":
        return event.fromParent === MACHINE_NODE || event.toParent === MACHINE_NODE || this.parts.has(event.fromName) || this.parts.has(event.toName);
      default:
        return event.type === "RootReleased";
    }
  }

  /** Others get their turn. The state is this walk's own. */
  private async breathe(count: number): Promise<void> {
    this.sliceCount += count;
    if (this.sliceCount < SLICE_EVENTS) return;
    this.sliceCount = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function changesNames({ type }: MachineEvent): boolean {
  return type === "NodeCreated" || type === "NodeLinked" || type === "NodeRenamed" || type === "NodeUnlinked" || type === "RootReleased";
}

/** What a path names in a state, under each root that contains it. */
function targetsIn(state: State, path: ByteString): Map<NodeId, NodeKind> {
  const found = new Map<NodeId, NodeKind>();
  for (const root of state.names(MACHINE_NODE)) {
    if (!contains(root.name, path)) continue;
    let at: { readonly node: NodeId; readonly kind: NodeKind } | undefined = root.value;
    for (const part of path.slice(root.name.length).split("/").filter(Boolean) as ByteString[])
      at = at?.kind === "directory" ? state.name(at.node, part) : undefined;
    if (at !== undefined) found.set(at.node, at.kind);
  }
  return found;
}
