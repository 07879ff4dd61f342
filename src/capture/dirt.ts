/** What must be looked at again: names in directories, and whole directories. Bounded; beyond the bound everything is. */
import type { ByteString, NodeId } from "../core/index.ts";

interface Revisit {
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly dueUs: number;
}

const REVISITS_MAX = 20_000; // A name beyond it keeps its mark in the memory, and the next reconcile looks at it.

export class Dirt {
  private readonly countMax: number;
  private names = new Map<NodeId, Map<ByteString, boolean>>();
  private readonly whole = new Set<NodeId>();
  private readonly revisits = new Map<string, Revisit>();
  private nameCount = 0;
  /** More was dirty than could be remembered: a reconcile of everything is due. */
  isOverflown = false;

  constructor(countMax: number) {
    this.countMax = countMax;
  }

  get count(): number {
    return this.nameCount + this.whole.size;
  }

  get isEmpty(): boolean {
    return this.nameCount === 0 && this.whole.size === 0;
  }

  mark(parent: NodeId, name: ByteString, isWritten = false): void {
    if (this.whole.has(parent) && !isWritten) return;
    let names = this.names.get(parent);
    if (names === undefined) this.names.set(parent, (names = new Map()));
    const before = names.get(name);
    if (before === undefined) this.nameCount += 1;
    names.set(name, before === true || isWritten);
    if (this.count > this.countMax) this.overflow();
  }

  /** The directory is to be listed. */
  markWhole(directory: NodeId): void {
    this.whole.add(directory);
    if (this.count > this.countMax) this.overflow();
  }

  /** To be looked at again at a time (monotonic), if nothing makes it dirty before. */
  revisit(parent: NodeId, name: ByteString, dueUs: number): void {
    const key = `${parent}/${name}`;
    if (this.revisits.size < REVISITS_MAX || this.revisits.has(key)) this.revisits.set(key, { parent, name, dueUs });
  }

  /** Turns what is due into dirt. Returns when the next one is due. */
  dueRevisits(nowUs: number): number | undefined {
    let nextUs: number | undefined;
    for (const [key, { parent, name, dueUs }] of this.revisits) {
      if (dueUs <= nowUs) {
        this.revisits.delete(key);
        this.mark(parent, name);
      } else if (nextUs === undefined || dueUs < nextUs) nextUs = dueUs;
    }
    return nextUs;
  }

  /** The dirty directories, and with each its dirty names; it is clean from here on. */
  take(): { readonly names: Map<NodeId, Map<ByteString, boolean>>; readonly whole: NodeId[] } {
    const taken = { names: this.names, whole: [...this.whole] };
    this.names = new Map();
    this.whole.clear();
    this.nameCount = 0;
    return taken;
  }

  clear(): void {
    this.take();
    this.revisits.clear();
    this.isOverflown = false;
  }

  private overflow(): void {
    this.take();
    this.isOverflown = true;
  }
}
