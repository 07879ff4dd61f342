/** The largest folders of a view, counting what lies below them. Memory is that of one path and of the answer. */
import type { ByteString, NodeId } from "../../core/index.ts";
import type { NameEntry, View } from "../view.ts";

export interface FolderUsage {
  readonly path: ByteString;
  readonly node: NodeId;
  /** Sizes of the files below it, each name counted once. */
  readonly sizeBytes: number;
  readonly fileCount: number;
}

interface Frame {
  readonly path: ByteString;
  readonly node: NodeId;
  readonly entries: Iterator<NameEntry>;
  sizeBytes: number;
  fileCount: number;
  largestChildBytes: number;
}

const PASSED_ON_SHARE = 0.9; // A folder that holds little more than one folder says nothing that this one does not.
const ENTRIES_PER_SLICE = 500; // About 15 ms of lookups; others get their turn then.

/** Largest first. `path` is that of `node`. */
export async function largestFolders(view: View, node: NodeId, path: ByteString, count = 10): Promise<FolderUsage[]> {
  const largest: FolderUsage[] = [];
  const frames: Frame[] = [frameOf(view, node, path)];
  for (let steps = 1; frames.length > 0; steps++) {
    if (steps % ENTRIES_PER_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    const frame = frames.at(-1)!;
    const step = frame.entries.next();
    if (step.done !== true) {
      const child = `${frame.path === "/" ? "" : frame.path}/${step.value.name}` as ByteString;
      if (step.value.kind === "directory") frames.push(frameOf(view, step.value.node, child));
      else if (step.value.kind === "file") {
        frame.sizeBytes += view.purged(step.value.node) === undefined ? (view.node(step.value.node)?.sizeBytes ?? 0) : 0; // Purged: it takes no space any more.
        frame.fileCount += 1;
      }
      continue;
    }
    frames.pop();
    if (frame.largestChildBytes < frame.sizeBytes * PASSED_ON_SHARE) keep(largest, frame, count);
    const parent = frames.at(-1);
    if (parent === undefined) continue;
    parent.sizeBytes += frame.sizeBytes;
    parent.fileCount += frame.fileCount;
    parent.largestChildBytes = Math.max(parent.largestChildBytes, frame.sizeBytes);
  }
  return largest;
}

function frameOf(view: View, node: NodeId, path: ByteString): Frame {
  return { path, node, entries: view.list(node), sizeBytes: 0, fileCount: 0, largestChildBytes: 0 };
}

function keep(largest: FolderUsage[], { path, node, sizeBytes, fileCount }: Frame, count: number): void {
  largest.push({ path, node, sizeBytes, fileCount });
  largest.sort((a, b) => b.sizeBytes - a.sizeBytes);
  if (largest.length > count) largest.pop();
}
