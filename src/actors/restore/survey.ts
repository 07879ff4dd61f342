/** The planning walk: how many nodes and bytes will be restored, and how many names `delete` would remove. Changes nothing. */
import { isRainbowError, listingCount, listingName, listingStat, OsError } from "../../core/index.ts";
import type { ByteString, NodeId, Os } from "../../core/index.ts";
import type { NameEntry, NodeRecord, View } from "../../projections/index.ts";
import type { Pace } from "./pace.ts";
import { removeTree } from "./removal.ts";
import type { RemovalRules } from "./removal.ts";
import { isTemporaryName, joinPath, UNFINISHED_NAME } from "./request.ts";
import type { RestorePlan } from "./request.ts";
import type { Selection } from "./selection.ts";

interface Level {
  readonly path: ByteString;
  readonly relative: ByteString;
  readonly entries: Iterator<NameEntry>;
  /** Of the target, where names are to be deleted there. */
  readonly listing: Buffer | undefined;
  nextIndex: number;
}

export interface SurveyParts {
  readonly os: Os;
  readonly view: View;
  readonly selection: Selection | undefined;
  readonly pace: Pace;
  /** Set where the target's extra names are to be counted. */
  readonly removal: RemovalRules | undefined;
}

/** `isThere`: the target is a directory now. */
export async function survey(parts: SurveyParts, record: NodeRecord, path: ByteString, isThere: boolean): Promise<RestorePlan> {
  const counter = new Survey(parts);
  return counter.count(record, path, isThere);
}

class Survey {
  private readonly parts: SurveyParts;
  private readonly linked = new Set<NodeId>(); // Only nodes with several names.
  private readonly stack: Level[] = [];
  private nodeCount = 0;
  private fileBytes = 0;
  private deleteCount = 0;

  constructor(parts: SurveyParts) {
    this.parts = parts;
  }

  async count(record: NodeRecord, path: ByteString, isThere: boolean): Promise<RestorePlan> {
    this.add(record);
    if (record.kind === "directory") this.enter(record.node, path, "" as ByteString, isThere);
    while (this.stack.length > 0) {
      await this.step(this.stack.at(-1)!);
      if (this.parts.pace.isDue) await this.parts.pace.rest();
    }
    return { nodeCount: this.nodeCount, fileBytes: this.fileBytes, deleteCount: this.deleteCount };
  }

  private async step(level: Level): Promise<void> {
    const entry = readable(() => level.entries.next());
    if (entry === undefined || entry.done === true) {
      this.stack.pop();
      if (entry !== undefined) await this.passExtras(level, undefined);
      return;
    }
    const { name, node, kind } = entry.value;
    const isThere = await this.passExtras(level, name);
    const relative = joined(level.relative, name);
    const selected = this.parts.selection?.of(relative, kind === "directory") ?? "take";
    if (selected === "skip") return;
    if (kind === "directory") {
      this.nodeCount++;
      this.enter(node, joinPath(level.path, name), relative, isThere);
    } else {
      this.add(readable(() => this.parts.view.node(node)));
      if (isThere) this.deleteCount += Math.max(0, (await this.treeCount(joinPath(level.path, name))) - 1);
    }
  }

  private enter(node: NodeId, path: ByteString, relative: ByteString, isThere: boolean): void {
    const listing = isThere && this.parts.removal !== undefined ? readable(() => this.parts.os.listDirectory(path)) : undefined;
    const entries = readable(() => this.parts.view.list(node));
    if (entries !== undefined) this.stack.push({ path, relative, entries, listing, nextIndex: 0 });
  }

  private add(record: NodeRecord | undefined): void {
    this.nodeCount++;
    if (record?.kind !== "file") return;
    if (record.names.length > 1) {
      if (this.linked.has(record.node)) return;
      this.linked.add(record.node);
    }
    this.fileBytes += record.sizeBytes;
  }

  /** Counts the target's names before `name` (all that are left where it is undefined); whether `name` is a directory there. */
  private async passExtras(level: Level, name: ByteString | undefined): Promise<boolean> {
    const { listing } = level;
    if (listing === undefined) return false;
    for (; level.nextIndex < listingCount(listing); level.nextIndex++) {
      const found = listingName(listing, level.nextIndex);
      if (name !== undefined && found > name) return false;
      const isDirectory = listingStat(listing, level.nextIndex)?.kind === "directory";
      if (found === name) {
        level.nextIndex++;
        return isDirectory;
      }
      await this.countExtra(level, found, isDirectory);
    }
    return false;
  }

  private async countExtra(level: Level, name: ByteString, isDirectory: boolean): Promise<void> {
    const { removal, selection } = this.parts;
    const path = joinPath(level.path, name);
    if (removal === undefined || isTemporaryName(name) || name === UNFINISHED_NAME || removal.keep(path, isDirectory) !== undefined) return;
    if (selection !== undefined && selection.of(joined(level.relative, name), isDirectory) !== "take") return;
    this.deleteCount += isDirectory ? await this.treeCount(path) : 1;
  }

  private async treeCount(path: ByteString): Promise<number> {
    if (this.parts.removal === undefined) return 0;
    try {
      return (await removeTree({ ...this.parts.removal, dryRun: true }, path)).count;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return 0; // The writer meets it again, and tells.
    }
  }
}

function joined(relative: ByteString, name: ByteString): ByteString {
  return (relative === "" ? name : `${relative}/${name}`) as ByteString;
}

/** A part that cannot be read is left out of the count: the writer meets it again, and tells. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof OsError || isRainbowError(error, "DIG_CHECKSUM", "DIG_CORRUPT", "EVENT_CORRUPT", "STORE_CORRUPT")) return undefined;
    throw error;
  }
}
