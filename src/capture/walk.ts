/** A reconcile of one root: every directory is listed, in slices, with no more in memory than the directories still to come. */
import type { NodeId, RootOptions } from "../core/index.ts";
import type { Root } from "./roots.ts";
import type { Scanner } from "./scan.ts";
import type { Site } from "./site.ts";

export interface WalkRequest {
  /** Gaps that this reconcile closes. */
  readonly gaps: Set<string>;
  readonly waiters: (() => void)[];
  /** Something may have been missed until it is done: flush waits for it. */
  isOwed: boolean;
}

export class Walk {
  readonly root: Root;
  readonly request: WalkRequest;
  readonly isFirst: boolean;
  doneNodes = 0;
  private readonly site: Site;
  private readonly scanner: Scanner;
  private readonly stack: NodeId[];
  private readonly changedBefore: number;
  private readonly readBefore: number;
  private readonly hasNewRules: boolean;
  private readonly options: RootOptions;

  constructor(site: Site, scanner: Scanner, root: Root, request: WalkRequest) {
    this.site = site;
    this.scanner = scanner;
    this.root = root;
    this.request = request;
    this.isFirst = !root.isFirstScanDone;
    this.stack = [root.node];
    this.hasNewRules = root.areRulesNew;
    this.options = root.options;
    this.changedBefore = scanner.changedCount;
    this.readBefore = scanner.files.readBytes;
  }

  get readBytes(): number {
    return this.scanner.files.readBytes - this.readBefore;
  }

  /** Lists directories for one slice of time. Returns whether there are more. */
  async step(sliceUs: number): Promise<boolean> {
    const { clock, limits } = this.site;
    const endUs = clock.monotonicUs() + sliceUs;
    do {
      const directory = this.stack.pop();
      if (directory === undefined) return false;
      this.doneNodes += 1;
      const below: NodeId[] = [];
      await this.scanner.directory(directory, "walk", (node) => below.push(node), this.hasNewRules);
      for (let node = below.pop(); node !== undefined; node = below.pop()) this.stack.push(node);
    } while (clock.monotonicUs() < endUs && this.scanner.files.passCount < limits.passesMax);
    return true;
  }

  /** Everything was listed: what is still absent is gone. */
  async finish(): Promise<void> {
    const { batches, clock, gaps, leftOut, roots } = this.site;
    await this.scanner.settleAbsences("walk", Number.POSITIVE_INFINITY);
    const { root } = this;
    batches.add({
      type: "ReconcileFinished",
      root: root.node,
      nodeCount: root.nodeCount,
      changedCount: this.scanner.changedCount - this.changedBefore,
      readBytes: this.readBytes,
      first: this.isFirst,
    });
    root.isFirstScanDone = true;
    if (root.options === this.options) root.areRulesNew = false; // Else they changed once more meanwhile.
    root.lastReconcileUs = clock.now();
    roots.keep(root);
    leftOut.keep(root.node);
    for (const gap of this.request.gaps) gaps.end(gap);
  }
}
