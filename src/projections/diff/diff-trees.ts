/** What differs between two places of two views, in byte order of names, parents first. */
import { MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import type { NameEntry, NodeName, NodeRecord, View } from "../view.ts";
import { sameContent, sameMetadata } from "./same.ts";

export type DifferenceKind = "added" | "removed" | "changed" | "metadata" | "renamed" | "kind";

export interface Difference {
  readonly what: DifferenceKind;
  /** Below the place of the newer side (of the older one for "removed"); "" is the place itself. */
  readonly path: ByteString;
  /** For "renamed": the path below the older place. */
  readonly fromPath?: ByteString;
  readonly before?: NodeRecord;
  readonly after?: NodeRecord;
}

const DEPTH_MAX = 4096; // Of a path; a damaged tree must not hold us in a circle.

interface Pair {
  readonly before: NodeId | undefined;
  readonly after: NodeId | undefined;
  readonly path: ByteString;
  readonly fromPath?: ByteString;
}

/**
 * A renamed node is told by its number: it lost one name and gained another. Its content and what lies below it are compared too,
 * under the new path. A name that is there on both sides is compared as it is, whatever nodes it names.
 */
export function* diffTrees(viewA: View, nodeA: NodeId, viewB: View, nodeB: NodeId): IterableIterator<Difference> {
  yield* new TreeDiff(viewA, nodeA, viewB, nodeB).run();
}

class TreeDiff {
  private readonly a: View;
  private readonly b: View;
  private readonly rootA: NodeId;
  private readonly rootB: NodeId;

  constructor(a: View, rootA: NodeId, b: View, rootB: NodeId) {
    this.a = a;
    this.b = b;
    this.rootA = rootA;
    this.rootB = rootB;
  }

  *run(): IterableIterator<Difference> {
    const stack: Iterator<Pair>[] = [[{ before: this.rootA, after: this.rootB, path: "" as ByteString }].values()];
    while (stack.length > 0) {
      const step = stack.at(-1)!.next();
      if (step.done === true) {
        stack.pop();
        continue;
      }
      yield* this.compare(step.value);
      stack.push(this.children(step.value));
    }
  }

  private *compare({ before: beforeNode, after: afterNode, path, fromPath }: Pair): IterableIterator<Difference> {
    const before = recordOf(this.a, beforeNode);
    const after = recordOf(this.b, afterNode);
    if (before === undefined && after !== undefined) yield { what: "added", path, after };
    if (before !== undefined && after === undefined) yield { what: "removed", path, before };
    if (before === undefined || after === undefined) return;
    if (fromPath !== undefined) yield { what: "renamed", path, fromPath, before, after };
    if (before.kind !== after.kind) yield { what: "kind", path, before, after };
    else if (!sameContent({ view: this.a, record: before }, { view: this.b, record: after })) yield { what: "changed", path, before, after };
    else if (!sameMetadata(before, after)) yield { what: "metadata", path, before, after };
  }

  private *children({ before, after, path }: Pair): IterableIterator<Pair> {
    const left = this.listing(this.a, before);
    const right = this.listing(this.b, after);
    let [x, y] = [left.next(), right.next()];
    while (x.done !== true || y.done !== true) {
      const order = x.done === true ? 1 : y.done === true ? -1 : x.value.name < y.value.name ? -1 : x.value.name > y.value.name ? 1 : 0;
      if (order === 0) {
        yield { before: x.value!.node, after: y.value!.node, path: joined(path, x.value!.name) };
        [x, y] = [left.next(), right.next()];
      } else if (order < 0) {
        const gone: NameEntry = x.value!;
        if (this.newName(gone.node, { parent: before!, name: gone.name }) === undefined)
          yield { before: gone.node, after: undefined, path: joined(path, gone.name) };
        x = left.next();
      } else {
        yield this.appeared(y.value!, after!, path);
        y = right.next();
      }
    }
  }

  private listing(view: View, node: NodeId | undefined): IterableIterator<NameEntry> {
    const isDirectory = node === MACHINE_NODE || (node !== undefined && view.node(node)?.kind === "directory");
    return isDirectory ? view.list(node) : [].values();
  }

  private appeared(entry: NameEntry, parent: NodeId, path: ByteString): Pair {
    const old = this.oldName(entry.node, { parent, name: entry.name });
    const fromPath = old === undefined ? undefined : pathBelow(this.a, this.rootA, old);
    const place = { after: entry.node, path: joined(path, entry.name) };
    return fromPath === undefined ? { before: undefined, ...place } : { before: entry.node, fromPath, ...place };
  }

  /** Where a node that lost this name is now, if the new name is one of a rename. */
  private newName(node: NodeId, lost: NodeName): NodeName | undefined {
    const { losses, gains } = this.moves(node);
    const found = gains[losses.findIndex((name) => isSame(name, lost))];
    return found !== undefined && pathBelow(this.b, this.rootB, found) !== undefined ? found : undefined;
  }

  private oldName(node: NodeId, gained: NodeName): NodeName | undefined {
    const { losses, gains } = this.moves(node);
    return losses[gains.findIndex((name) => isSame(name, gained))];
  }

  /** Names that the node lost and gained, of which the other side has nothing; the i-th of both belong together. */
  private moves(node: NodeId): { readonly losses: readonly NodeName[]; readonly gains: readonly NodeName[] } {
    const [before, after] = [this.a.node(node), this.b.node(node)];
    if (before === undefined || after === undefined || before.hidden || after.hidden) return { losses: [], gains: [] };
    const losses = before.names.filter((name) => !after.names.some((other) => isSame(name, other)) && this.b.lookup(name.parent, name.name) === undefined);
    const gains = after.names.filter((name) => !before.names.some((other) => isSame(name, other)) && this.a.lookup(name.parent, name.name) === undefined);
    const inside = losses.filter((name) => pathBelow(this.a, this.rootA, name) !== undefined);
    return { losses: inside, gains: gains.filter((name) => pathBelow(this.b, this.rootB, name) !== undefined) };
  }
}

function recordOf(view: View, node: NodeId | undefined): NodeRecord | undefined {
  return node === undefined ? undefined : view.node(node);
}

/** The path of a name below `root`; undefined where it lies elsewhere. */
function pathBelow(view: View, root: NodeId, name: NodeName): ByteString | undefined {
  let path: string = name.name;
  let at = name.parent;
  for (let depth = 0; at !== root; depth++) {
    const up = view.node(at)?.names[0];
    if (up === undefined || depth > DEPTH_MAX) return undefined;
    path = `${up.name}/${path}`;
    at = up.parent;
  }
  return path as ByteString;
}

function joined(path: ByteString, name: ByteString): ByteString {
  return (path === "" ? name : `${path}/${name}`) as ByteString;
}

function isSame(a: NodeName, b: NodeName): boolean {
  return a.parent === b.parent && a.name === b.name;
}
