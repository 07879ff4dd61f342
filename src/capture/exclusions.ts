/** Which paths are left out, and by which rule. Own rules are gitignore lines relative to the root; the rest is in the order checked. */
import ignoreFactory from "ignore";
import type { Ignore } from "ignore";
import { bytesOf, displayOf } from "../core/index.ts";
import type { ByteString, NodeId, NodeKind, RootOptions } from "../core/index.ts";
import type { LeftOut } from "./capture.ts";
import { below, idText, JsonRow } from "./memory/index.ts";
import type { Memory, RowKey } from "./memory/index.ts";

/** The library remembers each path it was asked for; it is made anew after so many. */
const RULE_CACHE_MAX = 10_000;
const LEFT_OUT_ROWS = "o" as RowKey;
export const TAG_NAME = "CACHEDIR.TAG" as ByteString;
export const TAG_SIGNATURE = Buffer.from("Signature: 8a477f597d28d172789f06886806bc55", "latin1");

export interface Subject {
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
}

export interface ExclusionOptions {
  readonly root: ByteString;
  readonly options: RootOptions;
  /** Home directories whose .cache is left out. */
  readonly homes: readonly ByteString[];
  /** Whether a path is Rainbow's own data directory. */
  readonly isDataDirectory: (path: ByteString) => boolean;
}

export class Exclusions {
  private readonly given: ExclusionOptions;
  private readonly caches: ReadonlySet<ByteString>;
  private ignore: Ignore | undefined;
  private askedCount = 0;

  constructor(given: ExclusionOptions) {
    this.given = given;
    this.caches = new Set(given.homes.map((home) => below(home, ".cache" as ByteString)));
  }

  /** undefined: it is captured. Mount points and tagged directories are the walk's own business. */
  verdict({ path, kind, sizeBytes }: Subject): LeftOut | undefined {
    if (kind === "directory" && this.given.isDataDirectory(path)) return { path, why: "data-directory", detail: "Rainbow's own data" };
    if (kind === "directory" && this.caches.has(path)) return { path, why: "default-cache", detail: "~/.cache" };
    const { fileBytesMax } = this.given.options;
    if (kind === "file" && fileBytesMax > 0 && sizeBytes > fileBytesMax)
      return { path, why: "too-large", detail: `${sizeBytes} bytes; the limit is ${fileBytesMax}` };
    const rule = this.rule(path, kind === "directory");
    return rule === undefined ? undefined : { path, why: "rule", detail: rule };
  }

  /** The verdict on a path or on any directory above it; `kindOf` tells what each of them is. */
  why(path: ByteString, subjectOf: (path: ByteString) => Subject | undefined): LeftOut | undefined {
    const { root } = this.given;
    const names = path.slice(root === "/" ? 1 : root.length + 1).split("/");
    let at = root;
    for (const name of names) {
      if (name === "") continue;
      at = below(at, name as ByteString);
      const subject = subjectOf(at);
      const verdict = subject === undefined ? undefined : this.verdict(subject);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  private rule(path: ByteString, isDirectory: boolean): string | undefined {
    const { options, root } = this.given;
    if (options.rules.length === 0 || path === root) return undefined;
    if (this.ignore === undefined || ++this.askedCount > RULE_CACHE_MAX) {
      this.ignore = ignoreFactory({ allowRelativePaths: true, ignorecase: false }).add([...options.rules]);
      this.askedCount = 0;
    }
    const relative = bytesOf(path.slice(root === "/" ? 1 : root.length + 1) as ByteString).toString("utf8");
    const result = this.ignore.test(isDirectory ? `${relative}/` : relative);
    if (!result.ignored) return undefined;
    return result.rule?.pattern ?? displayOf(path);
  }
}

interface LeftOutBelow {
  readonly items: Map<ByteString, LeftOut>;
  total: number;
  isKept: boolean;
}

/**
 * What was left out below each root: the first `countMax`, then counted. A scan passes over what has not changed, so the list is kept
 * in the agent's memory, and a look at a name corrects what it says of that one.
 */
export class LeftOutList {
  private readonly memory: Memory;
  private readonly countMax: number;
  private readonly below = new Map<NodeId, LeftOutBelow>();

  constructor(memory: Memory, countMax: number) {
    this.memory = memory;
    this.countMax = countMax;
  }

  add(root: NodeId, item: LeftOut): void {
    const list = this.of(root);
    const before = list.items.get(item.path);
    if (before?.why === item.why && before.detail === item.detail) return;
    list.isKept = false;
    if (before === undefined) list.total += 1;
    if (before !== undefined || list.items.size < this.countMax) list.items.set(item.path, item);
  }

  /** A look found that the path is captured; what only a listing of a directory can tell stays. */
  captured(root: NodeId, path: ByteString, kind: NodeKind): void {
    const why = this.of(root).items.get(path)?.why;
    if (why !== undefined && why !== "cachedir-tag" && (why !== "unreadable" || kind !== "directory")) this.remove(root, path);
  }

  remove(root: NodeId, path: ByteString): void {
    const list = this.of(root);
    if (!list.items.delete(path)) return;
    list.total -= 1;
    list.isKept = false;
  }

  /** As remove(), with all that lies below a directory. */
  removeBelow(root: NodeId, directory: ByteString): void {
    for (const path of this.of(root).items.keys()) if (path === directory || path.startsWith(`${directory}/`)) this.remove(root, path);
  }

  /** The root is released. */
  clear(root: NodeId): void {
    this.below.delete(root);
    this.memory.set(leftOutKey(root), undefined);
  }

  /** Writes a changed list to the memory, with the batch in the making. */
  keep(root: NodeId): void {
    const list = this.of(root);
    if (list.isKept) return;
    list.isKept = true;
    this.memory.set(leftOutKey(root), list.total === 0 ? undefined : new JsonRow(this.list(root)));
  }

  list(root: NodeId): { readonly items: readonly LeftOut[]; readonly total: number } {
    const { items, total } = this.of(root);
    return { items: [...items.values()], total };
  }

  private of(root: NodeId): LeftOutBelow {
    let list = this.below.get(root);
    if (list === undefined) {
      const kept = this.memory.get<JsonRow<{ readonly items: readonly LeftOut[]; readonly total: number }>>(leftOutKey(root), JsonRow.decode)?.value;
      list = { items: new Map(kept?.items.map((item) => [item.path, item])), total: kept?.total ?? 0, isKept: true };
      this.below.set(root, list);
    }
    return list;
  }
}

function leftOutKey(root: NodeId): RowKey {
  return `${LEFT_OUT_ROWS}${idText(root)}` as RowKey;
}
