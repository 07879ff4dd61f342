/**
 * Walks the view and the target side by side, both in byte order, and makes the target what the view says. Directories get their
 * metadata when everything below them is done. Memory grows with the depth alone (and with nodes that have several names).
 * Nothing is made through a symlink: a directory of the target is looked at without following before it is entered, and every
 * directory that is being worked in is looked at again after each rest, when others may have run.
 */
import { listingCount, listingName, listingStat, MACHINE_NODE } from "../../core/index.ts";
import type { ByteString, NodeId, Os, Stat } from "../../core/index.ts";
import type { Gap, NameEntry, NodeRecord, View } from "../../projections/index.ts";
import type { LeafWriter } from "./leaf-writer.ts";
import type { Metadata } from "./metadata.ts";
import type { Pace } from "./pace.ts";
import { decideDirectory, decideExtra, doubtOf, hidesNames, isSameMetadata, isSameXattrs } from "./plan.ts";
import type { Policy } from "./plan.ts";
import { removeTree } from "./removal.ts";
import type { RemovalRules } from "./removal.ts";
import type { Report } from "./report.ts";
import { joinPath, UNFINISHED_NAME } from "./request.ts";
import type { Selection } from "./selection.ts";
import { refused, statOrNone } from "./target.ts";

interface Folder {
  readonly record: NodeRecord;
  readonly path: ByteString;
  /** Of the restored folder; "" for itself. */
  readonly relative: ByteString;
  readonly entries: Iterator<NameEntry>;
  /** Restored itself, or only on the way to something that is selected. */
  readonly isTaken: boolean;
  readonly doubt: string;
  /** An open gap that may hide names of this folder. */
  readonly gap: Gap | undefined;
  /** What the target had there. */
  readonly before: Stat | undefined;
  readonly listing: Buffer | undefined;
  nextIndex: number;
  isMade: boolean;
  /** To know it again after a rest. */
  identity: Stat | undefined;
  /** The view could not tell all its names. */
  isBroken: boolean;
  undecidedCount: number;
}

interface Parts {
  readonly os: Os;
  readonly view: View;
  readonly policy: Policy;
  readonly selection: Selection | undefined;
  readonly leaves: LeafWriter;
  readonly metadata: Metadata;
  readonly removal: RemovalRules;
  readonly pace: Pace;
  readonly report: Report;
  /** Called when the restored folder itself is made, before anything is put into it. */
  readonly onTopMade: () => void;
}

export class TreeWriter {
  private readonly parts: Parts;
  private readonly gapsByNode: ReadonlyMap<NodeId, Gap>;
  private readonly stack: Folder[] = [];
  private top: Folder | undefined;

  constructor(parts: Parts) {
    this.parts = parts;
    this.gapsByNode = gapsByNode(parts.view.gaps());
    parts.pace.afterRest = () => this.checkGround();
  }

  /** Restores `record` and everything below it to `path`, but for the metadata of a folder at `path` itself: see settleTop. */
  async write(record: NodeRecord, path: ByteString, existing: Stat | undefined): Promise<void> {
    const gap = this.gapAbove(record);
    try {
      if (record.kind === "directory") this.enter({ record, path, relative: "" as ByteString, existing, isTaken: true, gap });
      else await this.parts.leaves.write({ record, path, existing, doubt: doubtOf(record, gap) });
    } catch (error) {
      this.parts.report.failed(path, error);
    }
    while (this.stack.length > 0) {
      await this.step(this.stack.at(-1)!);
      if (this.parts.pace.isDue) await this.parts.pace.rest();
    }
  }

  /** Sets the metadata of the restored folder itself, once nothing more is made or removed in it. */
  settleTop(): void {
    if (this.top?.isMade === true) this.settle(this.top);
  }

  private async step(folder: Folder): Promise<void> {
    const entry = this.nextEntry(folder);
    if (entry === undefined) return this.leave(folder);
    if (entry.name === UNFINISHED_NAME) return;
    const path = joinPath(folder.path, entry.name);
    try {
      const existing = await this.existingAt(folder, entry.name);
      await this.visit(folder, entry, path, existing);
    } catch (error) {
      this.parts.report.failed(path, error);
    }
  }

  private nextEntry(folder: Folder): NameEntry | undefined {
    try {
      const next = folder.entries.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      folder.isBroken = true;
      this.parts.report.failed(folder.path, error, "not all its names can be read: ");
      return undefined;
    }
  }

  private async visit(folder: Folder, entry: NameEntry, path: ByteString, existing: Stat | undefined): Promise<void> {
    const isDirectory = entry.kind === "directory";
    let [relative, isTaken] = [entry.name, true];
    if (this.parts.selection !== undefined) {
      if (folder.relative !== "") relative = `${folder.relative}/${entry.name}` as ByteString;
      const selected = this.parts.selection.of(relative, isDirectory);
      if (selected === "skip") return;
      isTaken = selected === "take";
    }
    const record = this.parts.view.node(entry.node);
    if (record === undefined) return this.parts.report.item(path, "failed", "its record is missing");
    const gap = this.gapsByNode.get(entry.node);
    if (isDirectory)
      return this.enter({ record, path, relative, existing, isTaken, gap: gap !== undefined && hidesNames(gap) ? gap : folder.gap, ownGap: gap });
    this.makeAwaited();
    await this.parts.leaves.write({ record, path, existing, doubt: doubtOf(record, gap) });
  }

  private enter(found: {
    record: NodeRecord;
    path: ByteString;
    relative: ByteString;
    existing: Stat | undefined;
    isTaken: boolean;
    gap: Gap | undefined;
    ownGap?: Gap | undefined;
  }): void {
    const { os, view, policy, report } = this.parts;
    const { record, path, existing } = found;
    const decision = decideDirectory(existing, policy);
    if (decision.kind === "refuse") return report.item(path, "failed", `${decision.why}; nothing below was restored`);
    const isEntered = decision.kind === "enter";
    const folder: Folder = {
      record,
      path,
      relative: found.relative,
      entries: view.list(record.node),
      isTaken: found.isTaken,
      doubt: doubtOf(record, this.stack.length === 0 ? found.gap : found.ownGap),
      gap: found.gap !== undefined && hidesNames(found.gap) ? found.gap : undefined,
      before: existing,
      listing: isEntered ? this.open(path, existing!) : undefined,
      nextIndex: 0,
      isMade: isEntered,
      identity: isEntered ? existing : undefined,
      isBroken: false,
      undecidedCount: 0,
    };
    this.stack.push(folder);
    if (this.stack.length === 1) this.top = folder;
    try {
      if (found.isTaken) this.makeAwaited();
      if (this.stack.length === 1 && !policy.dryRun) {
        this.parts.onTopMade();
        folder.identity = os.lstat(path);
      }
    } catch (error) {
      this.stack.pop();
      report.failed(path, error, "nothing below was restored: ");
    }
  }

  /** Lists a directory of the target, after making sure that its owner may work in it. */
  private open(path: ByteString, existing: Stat): Buffer {
    const { os, policy } = this.parts;
    if ((existing.mode & 0o700) !== 0o700 && !policy.dryRun) os.chmod(path, existing.mode | 0o700);
    return os.listDirectory(path);
  }

  /** Makes the folders on the stack that wait for something to be put into them. */
  private makeAwaited(): void {
    const first = this.stack.findIndex((folder) => !folder.isMade);
    for (let i = first; i !== -1 && i < this.stack.length; i++) this.make(this.stack[i]!);
  }

  private make(folder: Folder): void {
    const { os, policy, report } = this.parts;
    const replaces = folder.before !== undefined;
    if (policy.dryRun) report.item(folder.path, replaces ? "would-replace" : "would-create", "", folder.doubt);
    else {
      if (replaces) os.unlink(folder.path);
      os.makeDirectory(folder.path);
      folder.identity = os.lstat(folder.path);
      report.item(folder.path, replaces ? "replaced" : "created", "", folder.doubt);
    }
    folder.isMade = true;
  }

  /** What the target has under `name`; the names before it are extra, as both lists ascend. */
  private async existingAt(folder: Folder, name: ByteString): Promise<Stat | undefined> {
    const { listing } = folder;
    if (listing === undefined) return undefined;
    for (; folder.nextIndex < listingCount(listing); folder.nextIndex++) {
      const found = listingName(listing, folder.nextIndex);
      if (found > name) return undefined;
      if (found === name) return listingStat(listing, folder.nextIndex++);
      await this.meetExtra(folder, found, listingStat(listing, folder.nextIndex));
    }
    return undefined;
  }

  private async leave(folder: Folder): Promise<void> {
    const { report } = this.parts;
    if (folder.listing !== undefined) {
      for (; folder.nextIndex < listingCount(folder.listing); folder.nextIndex++) {
        await this.meetExtra(folder, listingName(folder.listing, folder.nextIndex), listingStat(folder.listing, folder.nextIndex));
      }
    }
    if (folder.undecidedCount > 0) {
      const why = folder.isBroken ? "its stored names cannot be read" : `a gap (${folder.gap?.reason}) covers that instant`;
      report.item(folder.path, "failed", `${folder.undecidedCount} names were not deleted, as nobody knows whether they were there: ${why}`);
    }
    this.stack.pop();
    if (!folder.isMade || folder === this.top) return;
    this.settle(folder);
  }

  private settle(folder: Folder): void {
    try {
      this.settleMetadata(folder);
    } catch (error) {
      this.parts.report.failed(folder.path, error);
    }
  }

  private settleMetadata(folder: Folder): void {
    const { os, policy, report, metadata } = this.parts;
    const { record, path, before } = folder;
    if (before?.kind !== "directory") {
      if (policy.dryRun) return;
      const problem = metadata.set(path, record);
      if (problem !== "") report.item(path, "metadata-failed", problem);
      return;
    }
    if (!folder.isTaken) return;
    const hasXattrs = isSameXattrs(record.attributes.xattrs, os.xattrs(path));
    const wasSame = hasXattrs && isSameMetadata(record, before, policy);
    const isSame = policy.dryRun ? wasSame : hasXattrs && isSameMetadata(record, os.lstat(path), policy);
    const problem = isSame || policy.dryRun ? "" : metadata.set(path, record);
    report.item(path, wasSame ? "same" : policy.dryRun ? "would-replace" : "replaced", wasSame ? "" : "only its metadata", folder.doubt);
    if (problem !== "") report.item(path, "metadata-failed", problem);
  }

  /** A name that the target has and the view has not. */
  private async meetExtra(folder: Folder, name: ByteString, stat: Stat | undefined): Promise<void> {
    const { os, policy, report, removal, selection } = this.parts;
    const path = joinPath(folder.path, name);
    const isDirectory = stat?.kind === "directory";
    const relative = (folder.relative === "" ? name : `${folder.relative}/${name}`) as ByteString;
    const isSelected = selection === undefined || selection.of(relative, isDirectory) === "take";
    const isKept = policy.delete && removal.keep(path, isDirectory) !== undefined;
    try {
      switch (decideExtra({ name, isSelected, isNameListKnown: folder.gap === undefined && !folder.isBroken, isKept }, policy)) {
        case "leave":
          return;
        case "clear":
          if (!policy.dryRun && !isDirectory) os.unlink(path);
          return;
        case "undecided":
          folder.undecidedCount++;
          return;
        case "delete":
          return await this.remove(path, isDirectory, stat, folder);
      }
    } catch (error) {
      report.failed(path, error);
    }
  }

  private async remove(path: ByteString, isDirectory: boolean, stat: Stat | undefined, folder: Folder): Promise<void> {
    const { os, policy, report, removal } = this.parts;
    const what = policy.dryRun ? "would-delete" : "deleted";
    if (!isDirectory) {
      if (!policy.dryRun) os.unlink(path);
      return report.item(path, what, "");
    }
    if (stat !== undefined && folder.before !== undefined && stat.device !== folder.before.device) {
      return report.item(path, "failed", "another filesystem is mounted there");
    }
    const removed = await removeTree(removal, path);
    const notes = [removed.count > 1 ? `${removed.count} names` : "", removed.kept === "" ? "" : `some stay: ${removed.kept}`];
    if (removed.problem !== "") report.item(path, "failed", removed.problem);
    else if (removed.count > 0) report.item(path, what, notes.filter((note) => note !== "").join("; "));
    report.deletedMore(removed.problem === "" ? Math.max(0, removed.count - 1) : removed.count);
  }

  /** Every directory on the way must still be the one that was entered. */
  private checkGround(): void {
    for (const { path, identity } of this.stack) {
      if (identity === undefined) continue;
      const now = statOrNone(this.parts.os, path);
      if (now?.kind === "directory" && now.inode === identity.inode && now.device === identity.device) continue;
      throw refused(path, "it was moved, removed or replaced while the restore was writing into it");
    }
  }

  /** The nearest open gap over a node: its own, a folder's above it, or the whole machine's. */
  private gapAbove(record: NodeRecord): Gap | undefined {
    for (let each: NodeRecord | undefined = record; each !== undefined;) {
      const gap = this.gapsByNode.get(each.node);
      if (gap !== undefined) return gap;
      const parent: NodeId | undefined = each.names[0]?.parent;
      each = parent === undefined || parent === MACHINE_NODE ? undefined : this.parts.view.node(parent);
    }
    return this.gapsByNode.get(MACHINE_NODE);
  }
}

/** By the node they are about; one that may hide names before one that does not. */
function gapsByNode(gaps: readonly Gap[]): ReadonlyMap<NodeId, Gap> {
  const byNode = new Map<NodeId, Gap>();
  for (const gap of gaps) {
    const other = byNode.get(gap.node);
    if (other === undefined || !hidesNames(other)) byNode.set(gap.node, gap);
  }
  return byNode;
}
