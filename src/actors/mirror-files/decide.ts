/**
 * From facts by path to events that name nodes: which node a fact is of is decided here, once. What was decided and is not yet in the
 * projection is remembered, so that a fact sees all that were decided before it.
 */
import { MACHINE_NODE, nodeIdOf, RainbowError } from "../../core/index.ts";
import type { ByteString, Change, Epoch, NodeId, NodeKind, Revision } from "../../core/index.ts";
import { splitPath } from "../../projections/index.ts";
import type { AttributesFact, MirrorFact } from "../../projections/index.ts";

const DIRECTORIES_KEPT = 1000; // Facts come directory by directory.
const COUNTER_MAX = 2 ** 32 - 1;

/** What has a name. */
export interface Known {
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly hasObject: boolean;
}

/** The state that is asked where nothing was decided of a name since. */
export interface KnownNames {
  /** Everything up to here is in it. */
  readonly revision: Revision;
  known(parent: NodeId, name: ByteString): Known | undefined;
}

/** Facts as events, and what they mean for what is remembered beside them: the newest word on each path. */
export interface Decided {
  readonly changes: readonly Change[];
  /** What they had before is replaced, or went. */
  readonly replaced: readonly ByteString[];
  /** Directories that went: nothing below them is there any more. */
  readonly emptied: readonly ByteString[];
  /** Their objects carry older attributes now. */
  readonly late: readonly ByteString[];
  /** To be told once the batch is stored. */
  readonly names: DecidedNames;
}

/** null: the name went. */
class DecidedNames {
  readonly byParent = new Map<NodeId, Map<ByteString, Known | null>>();
  factCount = 0;
  /** Of the batch's last event, once it is stored. */
  revision: Revision | undefined;

  get(parent: NodeId, name: ByteString): Known | null | undefined {
    return this.byParent.get(parent)?.get(name);
  }

  set(parent: NodeId, name: ByteString, known: Known | null): void {
    let names = this.byParent.get(parent);
    if (names === undefined) this.byParent.set(parent, (names = new Map()));
    names.set(name, known);
    this.factCount += 1;
  }
}

export class Decider {
  private readonly state: KnownNames;
  private readonly epoch: Epoch;
  private counter = 0;
  /** Oldest first. */
  private batches: DecidedNames[] = [];
  private readonly directories = new Map<ByteString, NodeId>();
  // Of the batch that is being decided.
  private changes: Change[] = [];
  private names = new DecidedNames();
  private readonly words = new Map<ByteString, "replaced" | "late">();
  private emptied: ByteString[] = [];

  /** Nodes are made in this epoch, which nobody else uses. */
  constructor(state: KnownNames, epoch: Epoch) {
    this.state = state;
    this.epoch = epoch;
  }

  /** Facts that were decided and are not in the state yet. */
  get waitingCount(): number {
    this.dropApplied();
    return this.batches.reduce((sum, { factCount }) => sum + factCount, 0);
  }

  decide(facts: readonly MirrorFact[]): Decided {
    this.dropApplied();
    [this.changes, this.names, this.emptied] = [[], new DecidedNames(), []];
    this.words.clear();
    this.batches.push(this.names);
    for (const fact of facts) this.take(fact);
    const { changes, names, emptied } = this;
    const [replaced, late]: [ByteString[], ByteString[]] = [[], []];
    for (const [path, word] of this.words) (word === "late" ? late : replaced).push(path);
    return { changes, replaced, emptied, late, names };
  }

  private take(fact: MirrorFact): void {
    switch (fact.type) {
      case "FileArrived":
      case "LinkArrived":
        return this.arrive(fact);
      case "FileWithdrawn":
        return this.withdraw(fact);
      case "AttributesSet":
        return this.setAttributes(fact);
      default:
        this.changes.push(fact);
    }
  }

  private arrive(fact: MirrorFact & { readonly type: "FileArrived" | "LinkArrived" }): void {
    const { parent: above, name } = splitPath(fact.path);
    const parent = above === undefined ? MACHINE_NODE : this.directory(above)!;
    const kind = fact.type === "LinkArrived" ? "symlink" : fact.kind;
    const before = this.known(parent, name);
    const node = before?.kind === kind ? before.node : this.mint();
    if (before?.kind === "directory" && kind !== "directory") this.loseDirectory(fact.path);
    const { path, ...rest } = fact;
    this.changes.push({ ...rest, node, parent, name });
    this.names.set(parent, name, { node, kind, hasObject: fact.place !== undefined });
    if (before !== undefined) this.words.set(path, "replaced");
  }

  private loseDirectory(path: ByteString): void {
    this.directories.clear();
    this.emptied.push(path);
  }

  private withdraw({ path, reason }: MirrorFact & { readonly type: "FileWithdrawn" }): void {
    const place = this.placeOf(path);
    if (place === undefined) return;
    const { parent, name, known } = place;
    if (known.kind === "directory") this.loseDirectory(path);
    this.changes.push({ type: "FileWithdrawn", node: known.node, parent, name, reason });
    this.names.set(parent, name, null);
    this.words.set(path, "replaced");
  }

  private setAttributes({ path, mode, mtimeSeconds, mtimeNanos }: AttributesFact): void {
    const known = this.placeOf(path)?.known;
    if (known === undefined) return;
    const attributes = { mode, uid: 0, gid: 0, mtimeSeconds, mtimeNanos, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
    this.changes.push({ type: "AttributesSet", node: known.node, attributes, linkTarget: "" as ByteString });
    if (known.hasObject) this.words.set(path, "late");
  }

  private placeOf(path: ByteString): { readonly parent: NodeId; readonly name: ByteString; readonly known: Known } | undefined {
    const { parent: above, name } = splitPath(path);
    const parent = above === undefined ? MACHINE_NODE : this.directory(above, false);
    const known = parent === undefined ? undefined : this.known(parent, name);
    return parent === undefined || known === undefined ? undefined : { parent, name, known };
  }

  /** The node of a directory; with `isMade` it is made where it is missing, and so are those above it. */
  private directory(path: ByteString, isMade = true): NodeId | undefined {
    const cached = this.directories.get(path);
    if (cached !== undefined) return cached;
    const { parent: above, name } = splitPath(path);
    const parent = above === undefined ? MACHINE_NODE : this.directory(above, isMade);
    if (parent === undefined) return undefined;
    const known = this.known(parent, name);
    if (known?.kind !== "directory" && !isMade) return undefined;
    const node = known?.kind === "directory" ? known.node : this.makeDirectory(path, parent, name);
    if (this.directories.size >= DIRECTORIES_KEPT) this.directories.clear();
    this.directories.set(path, node);
    return node;
  }

  private makeDirectory(path: ByteString, parent: NodeId, name: ByteString): NodeId {
    const node = this.mint();
    const stamp = { mode: 0o755, mtimeSeconds: 0, mtimeNanos: 0 };
    const nothing = { sizeBytes: 0, rdev: 0, digest: undefined, place: undefined };
    if (this.known(parent, name) !== undefined) this.words.set(path, "replaced");
    this.changes.push({ type: "FileArrived", node, parent, name, kind: "directory", ...stamp, ...nothing });
    this.names.set(parent, name, { node, kind: "directory", hasObject: false });
    return node;
  }

  private known(parent: NodeId, name: ByteString): Known | undefined {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const known = this.batches[i]!.get(parent, name);
      if (known !== undefined) return known ?? undefined;
    }
    return this.state.known(parent, name);
  }

  private dropApplied(): void {
    const { revision } = this.state;
    const waiting = this.batches.findIndex((names) => names.revision === undefined || names.revision > revision);
    if (waiting !== 0) this.batches = waiting === -1 ? [] : this.batches.slice(waiting);
  }

  private mint(): NodeId {
    if (this.counter >= COUNTER_MAX)
      throw new RainbowError("LIMIT", "this session of the mirror made 4,294,967,295 entries: open it anew", { epoch: this.epoch });
    return nodeIdOf(this.epoch, this.counter++);
  }
}
