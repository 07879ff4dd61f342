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
  /** Their objects do not have their digests. */
  readonly lateDigests: readonly ByteString[];
  /** To be told once the batch is stored. */
  readonly names: DecidedNames;
}

/** The newest word on a name that is not in the state yet. */
interface Word {
  /** null: the name went. */
  readonly known: Known | null;
  readonly batch: DecidedNames;
}

/** The names that a batch said something of. */
interface DecidedNames {
  readonly places: { readonly parent: NodeId; readonly name: ByteString }[];
  /** Of the batch's last event, once it is stored. */
  revision: Revision | undefined;
}

type Arrival = MirrorFact & { readonly type: "FileArrived" | "LinkArrived" };

/** Written out: this is done for every file of a mirror. */
function eventOf(fact: Arrival, node: NodeId, parent: NodeId, name: ByteString): Change {
  const { mode, mtimeSeconds, mtimeNanos, place } = fact;
  if (fact.type === "LinkArrived") return { type: "LinkArrived", node, parent, name, linkTarget: fact.linkTarget, mode, mtimeSeconds, mtimeNanos, place };
  const { kind, sizeBytes, rdev, digest } = fact;
  return { type: "FileArrived", node, parent, name, kind, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, digest, place };
}

export class Decider {
  private readonly state: KnownNames;
  private readonly epoch: Epoch;
  private counter = 0;
  /** Of batches that are not in the state yet, oldest first. */
  private batches: DecidedNames[] = [];
  private readonly words = new Map<NodeId, Map<ByteString, Word>>();
  private readonly directories = new Map<ByteString, NodeId>();
  // Of the batch that is being decided.
  private changes: Change[] = [];
  private names: DecidedNames = { places: [], revision: undefined };
  private replaced = new Set<ByteString>();
  private late = new Set<ByteString>();
  private lateDigests = new Set<ByteString>();
  private emptied: ByteString[] = [];

  /** Nodes are made in this epoch, which nobody else uses. */
  constructor(state: KnownNames, epoch: Epoch) {
    this.state = state;
    this.epoch = epoch;
  }

  /** Facts that were decided and are not in the state yet. */
  get waitingCount(): number {
    this.dropApplied();
    return this.batches.reduce((sum, { places }) => sum + places.length, 0);
  }

  decide(facts: readonly MirrorFact[]): Decided {
    this.dropApplied();
    [this.changes, this.names, this.emptied] = [[], { places: [], revision: undefined }, []];
    [this.replaced, this.late, this.lateDigests] = [new Set(), new Set(), new Set()];
    this.batches.push(this.names);
    for (const fact of facts) this.take(fact);
    const { changes, names, emptied } = this;
    return { changes, replaced: [...this.replaced], emptied, late: [...this.late], lateDigests: [...this.lateDigests], names };
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

  private arrive(fact: Arrival): void {
    const { parent: above, name } = splitPath(fact.path);
    const parent = above === undefined ? MACHINE_NODE : this.directory(above)!;
    const kind = fact.type === "LinkArrived" ? "symlink" : fact.kind;
    const before = this.known(parent, name);
    const node = before?.kind === kind ? before.node : this.mint();
    if (before?.kind === "directory" && kind !== "directory") this.loseDirectory(fact.path);
    this.changes.push(eventOf(fact, node, parent, name));
    this.note(parent, name, { node, kind, hasObject: fact.place !== undefined });
    if (before !== undefined && fact.isSameContent !== true) this.replace(fact.path);
    if (fact.lacksDigest === true) this.lateDigests.add(fact.path);
  }

  private replace(path: ByteString): void {
    this.replaced.add(path);
    this.late.delete(path);
    this.lateDigests.delete(path);
  }

  private loseDirectory(path: ByteString): void {
    this.directories.clear();
    this.emptied.push(path);
    for (const late of [this.late, this.lateDigests]) for (const below of late) if (below.startsWith(`${path}/`)) late.delete(below);
  }

  private withdraw({ path, reason }: MirrorFact & { readonly type: "FileWithdrawn" }): void {
    const place = this.placeOf(path);
    if (place === undefined) return;
    const { parent, name, known } = place;
    if (known.kind === "directory") this.loseDirectory(path);
    this.changes.push({ type: "FileWithdrawn", node: known.node, parent, name, reason });
    this.note(parent, name, null);
    this.replace(path);
  }

  private setAttributes({ path, mode, mtimeSeconds, mtimeNanos }: AttributesFact): void {
    const known = this.placeOf(path)?.known;
    if (known === undefined) return;
    const attributes = { mode, uid: 0, gid: 0, mtimeSeconds, mtimeNanos, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
    this.changes.push({ type: "AttributesSet", node: known.node, attributes, linkTarget: "" as ByteString });
    if (known.hasObject) this.late.add(path);
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
    if (this.known(parent, name) !== undefined) this.replace(path);
    this.changes.push({ type: "FileArrived", node, parent, name, kind: "directory", ...stamp, ...nothing });
    this.note(parent, name, { node, kind: "directory", hasObject: false });
    return node;
  }

  private known(parent: NodeId, name: ByteString): Known | undefined {
    const word = this.words.get(parent)?.get(name);
    return word === undefined ? this.state.known(parent, name) : (word.known ?? undefined);
  }

  private note(parent: NodeId, name: ByteString, known: Known | null): void {
    let names = this.words.get(parent);
    if (names === undefined) this.words.set(parent, (names = new Map()));
    names.set(name, { known, batch: this.names });
    this.names.places.push({ parent, name });
  }

  /** What is in the state by now is asked there; of a name of which more was said since, that stays. */
  private dropApplied(): void {
    for (let batch = this.batches[0]; batch?.revision !== undefined && batch.revision <= this.state.revision; batch = this.batches[0]) {
      this.batches.shift();
      for (const { parent, name } of batch.places) {
        const names = this.words.get(parent);
        if (names?.get(name)?.batch === batch) names.delete(name);
        if (names?.size === 0) this.words.delete(parent);
      }
    }
  }

  private mint(): NodeId {
    if (this.counter >= COUNTER_MAX)
      throw new RainbowError("LIMIT", "this session of the mirror made 4,294,967,295 entries: open it anew", { epoch: this.epoch });
    return nodeIdOf(this.epoch, this.counter++);
  }
}
