/**
 * What is about to be done in the store, noted before it is: a process that is killed between an object and its fact leaves a note where
 * to look. In a tree directories are noted as well, from the first change in them on until they have their own time again.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectKind } from "../../objects/index.ts";
import type { Intents } from "../../projections/index.ts";
import { parentOf, ROOT } from "./listed-directories.ts";

export interface Intent {
  readonly key: ByteString;
  readonly kind: ObjectKind;
  /** described: only mode and time of what is there; of a directory, that nothing more changes in it. */
  readonly what: "made" | "removed" | "described";
}

/** Directories that were noted together. */
interface OpenGroup {
  mark: number;
  openCount: number;
}

/** What was noted together, and the directories that are finished with it. */
export interface Noted {
  readonly mark: number | undefined;
  readonly finished: readonly OpenGroup[];
}

export class IntentLog {
  private readonly isTree: boolean;
  private readonly intents: Intents;
  /** Directories of a tree that are noted. */
  private readonly open = new Map<ByteString, OpenGroup>();

  constructor(isTree: boolean, intents: Intents) {
    this.isTree = isTree;
    this.intents = intents;
  }

  /** Durable when it resolves. One call is awaited before the next. */
  async note(all: readonly Intent[]): Promise<Noted> {
    const keys: ByteString[] = [];
    const directories: ByteString[] = [];
    const finished: OpenGroup[] = [];
    const group: OpenGroup = { mark: 0, openCount: 0 };
    const enter = (directory: ByteString): void => {
      if (this.open.has(directory)) return;
      this.open.set(directory, group);
      group.openCount++;
      directories.push(keyOf(directory, "directory"));
    };
    for (const { key, kind, what } of all) {
      const isOpened = this.isTree && kind === "directory" && what !== "removed";
      if (isOpened) enter(key);
      else if (key !== ROOT) keys.push(keyOf(key, kind));
      if (this.isTree && what !== "described" && key !== ROOT) enter(parentOf(key));
      if (!isOpened || what !== "described") continue;
      finished.push(this.open.get(key)!);
      this.open.delete(key); // What changes in it from here on is noted again.
    }
    const groups = [keys, directories].filter(({ length }) => length > 0);
    const marks = groups.length === 0 ? [] : await this.intents.note(groups);
    if (directories.length > 0) group.mark = marks.at(-1)!;
    return { mark: keys.length > 0 ? marks[0] : undefined, finished };
  }

  /** Its facts are recorded, and what has none is durable. */
  over({ mark, finished }: Noted): void {
    const marks = mark === undefined ? [] : [mark];
    for (const group of finished) if (--group.openCount === 0) marks.push(group.mark);
    if (marks.length > 0) this.intents.over(marks);
  }
}

function keyOf(path: ByteString, kind: ObjectKind): ByteString {
  return kind === "directory" ? (`${path}/` as ByteString) : path;
}
