/** The largest folders below a place, for the report after the initial backup. Holds one number per open level and the best few. */
import type { ByteString, NodeId } from "../../core/index.ts";
import type { NameEntry, View } from "../../projections/index.ts";
import type { Place } from "./places.ts";
import { joinPath } from "./reading.ts";

export interface LargeFolder {
  readonly path: ByteString;
  readonly bytes: number;
  readonly nodeCount: number;
}

interface Level {
  readonly path: ByteString;
  readonly children: Iterator<NameEntry>;
  bytes: number;
  nodeCount: number;
}

/** Files count into every folder above them; a file with several names counts at each. Largest first. */
export function largestFolders(view: View, place: Place, maxCount: number): LargeFolder[] {
  const best: LargeFolder[] = [];
  const open = (path: ByteString, node: NodeId): Level => ({ path, children: view.list(node), bytes: 0, nodeCount: 0 });
  const levels = [open(place.path, place.node)];
  while (levels.length > 0) {
    const level = levels.at(-1)!;
    const step = level.children.next();
    if (step.done === true) {
      levels.pop();
      const above = levels.at(-1);
      if (above === undefined) break;
      above.bytes += level.bytes;
      above.nodeCount += level.nodeCount;
      keepLargest(best, level, maxCount);
      continue;
    }
    level.nodeCount += 1;
    if (step.value.kind === "directory") levels.push(open(joinPath(level.path, step.value.name), step.value.node));
    else level.bytes += view.node(step.value.node)?.sizeBytes ?? 0;
  }
  return best;
}

function keepLargest(best: LargeFolder[], { path, bytes, nodeCount }: Level, maxCount: number): void {
  const place = best.findIndex((folder) => folder.bytes < bytes);
  if (place === -1 && best.length >= maxCount) return;
  best.splice(place === -1 ? best.length : place, 0, { path, bytes, nodeCount });
  best.length = Math.min(best.length, maxCount);
}
