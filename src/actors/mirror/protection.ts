/**
 * What the filters keep from being removed, as rsync's receiver has it: rules of a directory's own are read from what the mirror has
 * stored of its rule files, the newest content that has arrived.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { FileEntry, FileList } from "../../projections/index.ts";
import { Filters } from "../../rsync/index.ts";
import type { Side } from "../../rsync/index.ts";
import { parentOf, ROOT } from "./listed-directories.ts";
import type { SyncOptions } from "./options.ts";
import type { Doubt } from "./round.ts";

const RULE_FILE_BYTES_MAX = 1 << 20;

interface Level {
  readonly directory: ByteString;
  /** For the names in it. */
  readonly filters: Filters;
}

export class Protection {
  /** Rules that could not be read: then nothing may be removed. */
  doubt: Doubt | undefined;
  private readonly list: FileList;
  private readonly store: ObjectStore;
  private readonly side: Side | "onlyReceiver";
  private readonly root: Filters;
  /** From the root down to the directory that was asked of last. */
  private levels: Level[] = [];

  private constructor(list: FileList, store: ObjectStore, options: Pick<SyncOptions, "filters" | "deleteExcluded">) {
    this.list = list;
    this.store = store;
    this.side = options.deleteExcluded ? "onlyReceiver" : "receiver";
    this.root = Filters.atRoot(options.filters);
  }

  /** undefined where there are no filters. `list` is read for as long as names are asked of, and has what has arrived. */
  static of(list: FileList, store: ObjectStore, options: Pick<SyncOptions, "filters" | "deleteExcluded">): Protection | undefined {
    return options.filters.length === 0 ? undefined : new Protection(list, store, options);
  }

  /** Of a name alone: a directory that is kept and listed is looked into all the same, and one that is kept and gone stays whole. */
  async keeps({ path, kind }: Pick<FileEntry, "path" | "kind">): Promise<boolean> {
    const { filters } = await this.enter(parentOf(path));
    return filters.excludes(path, kind === "directory", this.side);
  }

  private async enter(directory: ByteString): Promise<Level> {
    const { levels } = this;
    while (levels.length > 0 && !contains(levels.at(-1)!.directory, directory)) levels.pop();
    if (levels.length === 0) levels.push(await this.levelOf(ROOT, this.root));
    for (let level = levels.at(-1)!; level.directory !== directory; levels.push(level)) {
      const from = level.directory === ROOT ? 0 : level.directory.length + 1;
      const slash = directory.indexOf("/", from);
      const next = (slash < 0 ? directory : directory.slice(0, slash)) as ByteString;
      level = await this.levelOf(next, level.filters);
    }
    return levels.at(-1)!;
  }

  private async levelOf(directory: ByteString, above: Filters): Promise<Level> {
    const path = (directory === ROOT ? "" : directory) as ByteString;
    const contents = new Map<ByteString, ByteString>();
    for (const file of above.ruleFilesIn(path)) {
      const content = await this.contentOf(file);
      if (content !== undefined) contents.set(file, content);
    }
    try {
      return { directory, filters: above.within(path, (file) => contents.get(file)) };
    } catch (error) {
      if (!isRainbowError(error, "USAGE")) throw error;
      this.doubt ??= { why: error.message, by: contents.keys().next().value! };
      return { directory, filters: above };
    }
  }

  private async contentOf(path: ByteString): Promise<ByteString | undefined> {
    const entry = this.list.entry(path);
    if (entry?.kind !== "file" || entry.place === undefined) return undefined;
    const doubt = (why: string): undefined => void (this.doubt ??= { why, by: path });
    if (entry.sizeBytes > RULE_FILE_BYTES_MAX) return doubt(`a file of filter rules has more than ${RULE_FILE_BYTES_MAX} bytes`);
    const pieces: Buffer[] = [];
    try {
      for await (const piece of this.store.read(path, { place: entry.place })) pieces.push(Buffer.from(piece));
    } catch (error) {
      if (!isRainbowError(error, "OBJECT_CHANGED")) throw error;
      return doubt("a file of filter rules is not there as it was stored");
    }
    return Buffer.concat(pieces).toString("latin1") as ByteString;
  }
}

function contains(above: ByteString, directory: ByteString): boolean {
  return above === ROOT || directory === above || directory.startsWith(`${above}/`);
}
