/** History asked for by paths. */
import { isRainbowError, MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, Revision } from "../../core/index.ts";
import { resolvePath } from "../resolve-path.ts";
import type { View } from "../view.ts";
import { deletionsOf } from "./deleted.ts";
import type { Deletion } from "./deleted.ts";
import type { HistorySource } from "./intervals.ts";
import { logOf } from "./log.ts";
import type { LogStart, Version } from "./log.ts";

/** What history needs of a projection. */
export interface HistoryOwner {
  historySource(head: Revision): Promise<HistorySource>;
  viewAt(revision: Revision): Promise<View>;
}

/**
 * Each version of what `path` names at `at` (a revision), newest first; where it names nothing then, of what it named last.
 * NOT_PROTECTED or NOT_FOUND where not even its folder existed then.
 */
export async function* logOfPath(owner: HistoryOwner, path: ByteString, at: Revision): AsyncGenerator<Version> {
  const view = await owner.viewAt(at);
  let start: LogStart;
  try {
    start = startOf(view, path);
  } finally {
    view.close();
  }
  const source = await owner.historySource(view.revision);
  try {
    yield* logOf(source, start);
  } finally {
    source.hold.release();
  }
}

/** What was deleted below `prefix` ("" or "/": anywhere) up to `at`, newest first. */
export async function* deletionsBelow(owner: HistoryOwner, prefix: ByteString, at: Revision): AsyncGenerator<Deletion> {
  const view = await owner.viewAt(at);
  view.close();
  const source = await owner.historySource(view.revision);
  try {
    yield* deletionsOf(source, prefix);
  } finally {
    source.hold.release();
  }
}

function startOf(view: View, path: ByteString): LogStart {
  const found = resolved(view, path);
  if (found !== undefined) {
    if (found.path === found.rootPath) return { parent: MACHINE_NODE, name: found.path, node: found.node };
    const slash = found.path.lastIndexOf("/");
    const above = resolvePath(view, (slash === 0 ? "/" : found.path.slice(0, slash)) as ByteString);
    return { parent: above.node, name: found.path.slice(slash + 1) as ByteString, node: found.node };
  }
  const slash = path.lastIndexOf("/");
  const above = slash <= 0 ? undefined : resolved(view, path.slice(0, slash) as ByteString);
  if (above !== undefined) return { parent: above.node, name: path.slice(slash + 1) as ByteString };
  return { parent: MACHINE_NODE, name: path }; // A root that is no longer protected, perhaps.
}

function resolved(view: View, path: ByteString): ReturnType<typeof resolvePath> | undefined {
  try {
    return resolvePath(view, path);
  } catch (error) {
    if (isRainbowError(error, "NOT_FOUND", "NOT_PROTECTED")) return undefined;
    throw error;
  }
}
