/** Restores what is no directory: decides, compares, makes, links; tells of each name exactly once (and once more for lost metadata). */
import { listingCount, OsError } from "../../core/index.ts";
import type { ByteString, NodeId, Os, Stat } from "../../core/index.ts";
import type { NodeRecord, Purged, View } from "../../projections/index.ts";
import { hasSameContent } from "./file-content.ts";
import type { RestoredWhat } from "./items.ts";
import type { Metadata } from "./metadata.ts";
import { NO_LINK_CODES } from "./node-maker.ts";
import type { NodeMaker, Publication } from "./node-maker.ts";
import type { Pace } from "./pace.ts";
import { decideLeaf, isSameMetadata, isSameXattrs, quoted } from "./plan.ts";
import type { LeafDecision, Policy } from "./plan.ts";
import { removeTree } from "./removal.ts";
import type { RemovalRules } from "./removal.ts";
import type { Report } from "./report.ts";

export interface Leaf {
  readonly record: NodeRecord;
  readonly path: ByteString;
  /** What the target has there. */
  readonly existing: Stat | undefined;
  /** Said with its item; "" for nothing. */
  readonly doubt: string;
}

/** Where a node with several names was restored first. `inode` is 0 where that is not known (dry run). */
interface Leader {
  readonly path: ByteString;
  readonly inode: number;
  readonly device: number;
  remaining: number;
}

export class LeafWriter {
  private readonly os: Os;
  private readonly view: View;
  private readonly policy: Policy;
  private readonly isExclusive: boolean;
  private readonly maker: NodeMaker;
  private readonly metadata: Metadata;
  private readonly removal: RemovalRules;
  private readonly pace: Pace;
  private readonly report: Report;
  private readonly scratch: Buffer;
  /** Only nodes with several names, and only until the last of them was seen. */
  private readonly leaders = new Map<NodeId, Leader>();

  constructor(parts: {
    os: Os;
    view: View;
    policy: Policy;
    isExclusive: boolean;
    maker: NodeMaker;
    metadata: Metadata;
    removal: RemovalRules;
    pace: Pace;
    report: Report;
    scratch: Buffer;
  }) {
    this.os = parts.os;
    this.view = parts.view;
    this.policy = parts.policy;
    this.isExclusive = parts.isExclusive;
    this.maker = parts.maker;
    this.metadata = parts.metadata;
    this.removal = parts.removal;
    this.pace = parts.pace;
    this.report = parts.report;
    this.scratch = parts.scratch;
  }

  async write(leaf: Leaf): Promise<void> {
    const { record } = leaf;
    const purged = record.kind === "file" ? this.view.purged(record.node) : undefined;
    if (purged !== undefined) return this.leaveOut(leaf, purged);
    const leader = record.names.length > 1 ? this.leaders.get(record.node) : undefined;
    if (leader !== undefined) {
      if (--leader.remaining === 0) this.leaders.delete(record.node);
      if (await this.writeLink(leaf, leader)) return;
    }
    const decision = decideLeaf(record, leaf.existing, this.policy);
    const isStanding = await this.carryOut(decision, leaf);
    if (isStanding && leader === undefined && record.names.length > 1) this.lead(leaf, decision);
    if (record.kind === "file" && leader === undefined) this.report.covered(record.sizeBytes);
  }

  /** What stands in its place stays as it is. */
  private leaveOut({ record, path }: Leaf, { revision }: Purged): void {
    this.report.item(path, "purged", `its content was purged (r${revision})`);
    this.report.covered(record.sizeBytes);
  }

  /** Whether the node now stands under that name (or would). */
  private async carryOut(decision: LeafDecision, leaf: Leaf): Promise<boolean> {
    switch (decision.kind) {
      case "make":
        await this.make(leaf, "created", { exclusive: this.isExclusive, replaces: false });
        return true;
      case "compare":
        if (await this.isSame(leaf)) this.keep(leaf);
        else await this.make(leaf, "replaced", { exclusive: false, replaces: true });
        return true;
      case "replace":
        return this.replace(leaf, decision.removes);
      case "refuse":
        this.report.item(leaf.path, "failed", decision.why);
        return false;
    }
  }

  private async replace(leaf: Leaf, removes: "nothing" | "empty-directory" | "tree"): Promise<boolean> {
    if (removes === "empty-directory" && listingCount(this.os.listDirectory(leaf.path)) > 0) {
      this.report.item(leaf.path, "failed", "a folder that is not empty is in its place; --delete removes it");
      return false;
    }
    const clear = async (): Promise<void> => {
      if (removes === "nothing") return;
      const removed = await removeTree(this.removal, leaf.path);
      this.report.deletedMore(Math.max(0, removed.count - 1)); // The top one is replaced, not deleted.
      if (removed.problem !== "" || removed.kept !== "") throw new OsError("ENOTEMPTY", "remove", leaf.path);
    };
    if (this.policy.dryRun) await clear();
    await this.make(leaf, "replaced", { exclusive: false, replaces: true, clear });
    return true;
  }

  private async make({ record, path, doubt }: Leaf, what: "created" | "replaced", publication: Publication): Promise<void> {
    if (this.policy.dryRun) {
      this.report.item(path, what === "created" ? "would-create" : "would-replace", "", doubt);
      return;
    }
    const problem = await this.maker.make(record, path, publication);
    this.report.item(path, what, "", doubt);
    if (problem !== "") this.report.item(path, "metadata-failed", problem);
  }

  private async isSame({ record, path }: Leaf): Promise<boolean> {
    try {
      const { node, kind, sizeBytes } = record;
      if (kind === "file") return await hasSameContent(this.os, path, { view: this.view, node, sizeBytes, scratch: this.scratch }, this.pace);
      return record.kind !== "symlink" || this.os.readlink(path) === record.linkTarget;
    } catch (error) {
      if (error instanceof OsError) return false; // It cannot be read, or went meanwhile: made anew.
      throw error;
    }
  }

  /** The content stands; its metadata may have to be set. */
  private keep({ record, path, existing, doubt }: Leaf): void {
    const isSame = isSameMetadata(record, existing!, this.policy) && isSameXattrs(record.attributes.xattrs, this.os.xattrs(path));
    const what: RestoredWhat = isSame ? "same" : this.policy.dryRun ? "would-replace" : "replaced";
    const problem = isSame || this.policy.dryRun ? "" : this.metadata.set(path, record);
    this.report.item(path, what, isSame ? "" : "only its metadata", doubt);
    if (problem !== "") this.report.item(path, "metadata-failed", problem);
  }

  private lead({ record, path, existing }: Leaf, decision: LeafDecision): void {
    const isUnknown = this.policy.dryRun && decision.kind !== "compare";
    const stat = isUnknown ? undefined : this.policy.dryRun ? existing : this.os.lstat(path);
    this.leaders.set(record.node, { path, inode: stat?.inode ?? 0, device: stat?.device ?? 0, remaining: record.names.length - 1 });
  }

  /** One more name for what was restored as `leader`. False where links cannot be made here: it then becomes a file of its own, and that is said. */
  private async writeLink({ path, existing, record, doubt }: Leaf, leader: Leader): Promise<boolean> {
    if (existing !== undefined && leader.inode !== 0 && existing.inode === leader.inode && existing.device === leader.device) {
      this.report.item(path, "same", "", doubt);
      return true;
    }
    const replaces = existing !== undefined;
    // Whether it may be replaced is asked as for the file itself; a file that looks the same gives way to the link.
    const decision = decideLeaf(record, existing, this.policy);
    if (decision.kind === "refuse" || (decision.kind === "replace" && decision.removes !== "nothing")) return false;
    if (this.policy.dryRun) {
      this.report.item(path, replaces ? "would-replace" : "would-create", "hard link", doubt);
      return true;
    }
    try {
      await this.maker.link(leader.path, path, { exclusive: false, replaces });
    } catch (error) {
      if (!(error instanceof OsError) || !NO_LINK_CODES.includes(error.code)) throw error;
      this.report.item(path, "metadata-failed", `no hard link of ${quoted(leader.path)} could be made (${error.code}): it is a file of its own`);
      return false;
    }
    this.report.item(path, replaces ? "replaced" : "created", "", doubt);
    return true;
  }
}
