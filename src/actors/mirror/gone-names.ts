/**
 * The topmost names of what is stored and not listed any more, packed: a directory of millions that is emptied upstream is noted in some
 * thirty bytes a name. Names of one directory come one after another, and hold no slash.
 */
import type { ByteString } from "../../core/index.ts";
import { parentOf } from "./listed-directories.ts";

const PIECE_NAMES = 512; // Strings that are joined once and never again.

interface Piece {
  readonly directory: ByteString;
  /** With a slash between them. */
  readonly names: string;
}

export class GoneNames {
  private readonly pieces: Piece[] = [];
  private directory = "" as ByteString;
  private names: string[] = [];
  /** The first name that was added. */
  first: ByteString | undefined;

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  add(path: ByteString): void {
    this.first ??= path;
    const directory = parentOf(path);
    if (directory !== this.directory || this.names.length >= PIECE_NAMES) this.pack();
    this.directory = directory;
    this.names.push(path.slice(path.lastIndexOf("/") + 1));
  }

  /** Paths in the order in which they were added. */
  *paths(): Generator<ByteString, void> {
    this.pack();
    for (const { directory, names } of this.pieces)
      for (const name of names.split("/")) yield (directory === "." ? name : `${directory}/${name}`) as ByteString;
  }

  private pack(): void {
    if (this.names.length === 0) return;
    // Through a buffer: what join makes would hold on to the names' own strings, and so would a name that is a part of its path.
    const names = Buffer.from(this.names.join("/"), "latin1").toString("latin1");
    this.pieces.push({ directory: this.directory, names });
    this.names = [];
  }
}
