/** Paths in a view, and the folders above a target that is brought back to its old place. */
import { MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, Os } from "../../core/index.ts";
import type { NameEntry, NodeRecord, View } from "../../projections/index.ts";
import type { Metadata } from "./metadata.ts";
import type { Report } from "./report.ts";
import { joinPath, parentPath } from "./request.ts";
import { refused, statOrNone } from "./target.ts";

export interface Step {
  readonly path: ByteString;
  readonly entry: NameEntry;
}

/** The root and every node below it down to `path`, or undefined where nothing of that path is in the view. Of nested roots the deepest. */
export function stepsTo(view: View, path: ByteString): Step[] | undefined {
  const roots = [...view.list(MACHINE_NODE)].filter(({ name }) => path === name || path.startsWith(name === "/" ? "/" : `${name}/`));
  roots.sort((a, b) => b.name.length - a.name.length);
  for (const root of roots) {
    const steps = stepsBelow(view, { path: root.name, entry: root }, path);
    if (steps !== undefined) return steps;
  }
  return undefined;
}

function stepsBelow(view: View, root: Step, path: ByteString): Step[] | undefined {
  const steps = [root];
  const rest = path.slice(root.path.length).split("/");
  for (const name of rest.filter((part) => part !== "") as ByteString[]) {
    const above: Step = steps.at(-1)!;
    const entry = view.lookup(above.entry.node, name);
    if (entry === undefined) return undefined;
    steps.push({ path: joinPath(above.path, name), entry });
  }
  return steps;
}

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
    const steps = stepsTo(this.view, target);
    if (steps === undefined) return;
    for (const { path, entry } of steps.slice(0, -1)) {
      const stat = statOrNone(this.os, path);
      if (stat?.kind === "directory") continue;
      if (stat !== undefined) throw refused(target, `'${path}' above it is no folder any more`);
      const record = this.view.node(entry.node);
      if (record === undefined || statOrNone(this.os, parentPath(path)) === undefined)
        throw refused(target, `the folder above '${path}' is gone; make it first`);
      this.os.makeDirectory(path);
      this.made.push({ path, record });
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
