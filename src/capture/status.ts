/** What is so now, for people: the CaptureStatus made of the session's parts. */
import type { Os, TimeUs } from "../core/index.ts";
import type { CaptureStatus, RootStatus, ScanProgress } from "./capture.ts";
import type { Engine } from "./engine.ts";
import type { Root } from "./roots.ts";
import type { Site } from "./site.ts";

export interface PauseState {
  readonly os: Os;
  readonly isPaused: boolean;
  readonly pausedUntilUs: TimeUs | undefined;
}

/** What this way of capturing cannot see. */
export function limitsOf(site: Site): readonly string[] {
  const { watches, limits } = site;
  const seconds = limits.pollEveryMs / 1000;
  if (watches.isHinting) return [`without the addon events are hints: everything is compared every ${seconds} s, and what goes or moves is seen then`];
  if (!watches.isActive) return [`changes are looked for every ${seconds} s; what lies between two looks is not seen`];
  const mmap = "stores through mmap, and writes through a hard link outside of the folders, are seen by the next reconcile";
  if (watches.unwatchedCount === 0) return [mmap];
  const wanted = Math.ceil((watches.watchedCount + watches.unwatchedCount) / limits.watchShare / 1000) * 1000;
  const command = `sudo sysctl fs.inotify.max_user_watches=${Math.max(wanted, watches.kernelMax * 2)}`;
  return [mmap, `${watches.unwatchedCount} directories are over the limit of watches and are looked at by reconcile alone; to raise it: ${command}`];
}

export function rootStatus(site: Site, root: Root, isPaused: boolean): RootStatus {
  const watched = root.isScanning || !root.isFirstScanDone ? "scanning" : "watching";
  return {
    root: root.node,
    path: root.path,
    options: root.options,
    state: root.isMissing ? "missing" : isPaused ? "paused" : watched,
    firstScanDone: root.isFirstScanDone,
    nodeCount: root.nodeCount,
    bytes: root.bytes,
    unwatchedDirectoryCount: site.watches.unwatchedNodes.filter((node) => site.nodes.location(node)?.root === root.node).length,
    lastReconcileUs: root.lastReconcileUs,
  };
}

export function captureStatus(site: Site | undefined, engine: Engine | undefined, pause: PauseState): CaptureStatus {
  const pausedUntilUs = pause.isPaused ? pause.pausedUntilUs : undefined;
  if (site === undefined || engine === undefined) return { source: "poll", limits: [], roots: [], scan: undefined, openGaps: [], dirtyCount: 0, pausedUntilUs };
  return {
    source: site.watches.isActive ? "watch" : site.watches.isHinting ? "hints" : "poll",
    limits: limitsOf(site),
    roots: site.roots.list().map((root) => rootStatus(site, root, pause.isPaused)),
    scan: progressOf(engine),
    openGaps: site.gaps.list().map(({ gap, reason, sinceUs, detail }) => ({ gap, reason, sinceUs, detail })),
    dirtyCount: site.dirt.count + engine.scanner.fresh.length + engine.scanner.files.passCount,
    pausedUntilUs,
  };
}

function progressOf(engine: Engine): ScanProgress | undefined {
  const { currentWalk: walk } = engine;
  if (walk === undefined) return undefined;
  const doneNodes = walk.isFirst ? walk.root.nodeCount : walk.doneNodes;
  const doneBytes = walk.isFirst ? walk.root.bytes : walk.readBytes;
  return {
    root: walk.root.node,
    first: walk.isFirst,
    doneNodes,
    doneBytes,
    allNodes: walk.isFirst ? 0 : walk.root.nodeCount,
    allBytes: walk.isFirst ? 0 : walk.root.bytes,
  };
}
