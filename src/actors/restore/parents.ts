/** The folders above a target that is brought back to its old place. */
import { displayOf } from "../../core/index.ts";
import type { ByteString, NodeId, Os } from "../../core/index.ts";
import { resolvePath } from "../../projections/index.ts";
import type { NodeRecord, View } from "../../projections/index.ts";
import type { Metadata } from "./metadata.ts";
import type { Report } from "./report.ts";
import { joinPath, parentPath } from "./request.ts";
import { refused, statOrNone } from "./target.ts";

/** Makes folders above a target as they were recorded; their metadata follows when the target stands. */
export class Parents {
  private readonly os: Os;
  private readonly view: View;
  private readonly made: { readonly path: ByteString; readonly record: NodeRecord }[] = [];

  constructor(os: Os, view: View) {
    this.os = os;
    this.view = view;
  }

  /** `target` is a path of the view. Refuses a way that now leads through a symlink. */
  prepare(target: ByteString): void {
    for (const { path, node } of this.above(target)) {
      const stat = statOrNone(this.os, path);
      if (stat?.kind === "directory") continue;
      if (stat !== undefined) throw refused(target, `'${displayOf(path)}' above it is no folder any more`);
      const record = this.view.node(node);
      if (record === undefined || statOrNone(this.os, parentPath(path)) === undefined) {
        throw refused(target, `the folder above '${displayOf(path)}' is gone; make it first`);
      }
      this.os.makeDirectory(path);
      this.made.push({ path, record });
    }
  }

  /** The root and every folder below it, down to the one that holds `target`. */
  private *above(target: ByteString): Generator<{ readonly path: ByteString; readonly node: NodeId }, void, undefined> {
    const { root, rootPath } = resolvePath(this.view, target);
    let [path, node] = [rootPath, root];
    for (const name of target.slice(rootPath.length).split("/") as ByteString[]) {
      if (name === "") continue;
      yield { path, node };
      path = joinPath(path, name);
      node = this.view.lookup(node, name)?.node ?? node; // All of it is there: the path was resolved.
    }
  }

  /** Deepest first, so that no time is disturbed by what is made below. */
  settle(metadata: Metadata, report: Report): void {
    for (const { path, record } of this.made.toReversed()) {
      report.item(path, "created", "made again as it was, for what is restored below it");
      const problem = metadata.set(path, record);
      if (problem !== "") report.item(path, "metadata-failed", problem);
    }
  }
}
