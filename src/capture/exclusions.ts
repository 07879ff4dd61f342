/** Which paths are left out, and by which rule. Own rules are gitignore lines relative to the root; the rest is in the order checked. */
import ignoreFactory from "ignore";
import type { Ignore } from "ignore";
import { bytesOf, displayOf } from "../core/index.ts";
import type { ByteString, NodeId, NodeKind, RootOptions } from "../core/index.ts";
import type { LeftOut } from "./capture.ts";
import { below } from "./memory/index.ts";

/** The library remembers each path it was asked for; it is made anew after so many. */
const RULE_CACHE_MAX = 10_000;
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

/** What was left out below each root: the first `countMax`, then counted. */
export class LeftOutList {
  private readonly countMax: number;
  private readonly items = new Map<NodeId, { readonly items: Map<ByteString, LeftOut>; total: number }>();

  constructor(countMax: number) {
    this.countMax = countMax;
  }

  add(root: NodeId, item: LeftOut): void {
    const list = this.items.get(root) ?? { items: new Map<ByteString, LeftOut>(), total: 0 };
    this.items.set(root, list);
    if (list.items.has(item.path)) return void list.items.set(item.path, item);
    list.total += 1;
    if (list.items.size < this.countMax) list.items.set(item.path, item);
  }

  remove(root: NodeId, path: ByteString): void {
    const list = this.items.get(root);
    if (list?.items.delete(path) === true) list.total -= 1;
  }

  /** Before a whole scan: it finds them all again. */
  clear(root: NodeId): void {
    this.items.delete(root);
  }

  list(root: NodeId): { readonly items: readonly LeftOut[]; readonly total: number } {
    const list = this.items.get(root);
    return { items: [...(list?.items.values() ?? [])], total: list?.total ?? 0 };
  }
}
