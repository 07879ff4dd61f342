/**
 * Changes files of a folder at random and keeps, apart from the product, what each path held: exactly at the end of a round, and every
 * content that a path may show while a round is under way. A file that is renamed takes its contents along.
 */
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SeededRandom } from "../../support/random.ts";

export const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

const PAGE_BYTES = 4096;

/** One file, whatever its names are: what it holds, and what it held since the round began. */
interface Kept {
  content: Buffer;
  readonly held: Buffer[];
}

export interface Round {
  /** What each path held when the round had ended. */
  readonly after: ReadonlyMap<string, string>;
  /** Paths that the round touched. */
  readonly touched: ReadonlySet<string>;
  /** Whether `content` (undefined: no such file) is something that a touched path could show during the round. */
  allows(path: string, content: Buffer | undefined): boolean;
}

export class FolderLoad {
  private readonly directory: string;
  private readonly random: SeededRandom;
  private readonly files = new Map<string, Kept>();
  /** The files that had a path during the round. */
  private seen = new Map<string, Set<Kept>>();

  constructor(directory: string, random: SeededRandom, fileCount: number) {
    this.directory = directory;
    this.random = random;
    for (let i = 0; i < fileCount; i++) this.write(`d${i % 5}/file ${i}.txt`, random.bytes(random.int(i % 10 === 0 ? 400_000 : 20_000)));
    this.round(0);
  }

  /** Makes `count` changes. */
  round(count: number): Round {
    this.seen = new Map();
    for (const kept of this.files.values()) kept.held.splice(0, kept.held.length, kept.content);
    for (let i = 0; i < count; i++) this.change();
    const after = new Map([...this.files].map(([path, { content }]) => [path, hashOf(content)]));
    const touched = this.seen;
    const held = new Map([...touched].map(([path, files]) => [path, [...files].flatMap((each) => each.held.slice())]));
    return {
      after,
      touched: new Set(touched.keys()),
      allows: (path, content) => content === undefined || (held.get(path) ?? []).some((each) => each.equals(content) || isBeginning(content, each)),
    };
  }

  private change(): void {
    const path = this.random.pick([...this.files.keys()]);
    const kind = this.random.int(7);
    if (kind === 0) this.write(`d${this.random.int(5)}/new ${this.random.int(1e9)}`, this.random.bytes(this.random.int(30_000)));
    else if (kind === 1) this.append(path, this.random.bytes(1 + this.random.int(5000)));
    else if (kind === 2) this.rename(path, `d${this.random.int(5)}/moved ${this.random.int(1e9)}`);
    else if (kind === 3) this.replace(path, this.random.bytes(this.random.int(100_000)));
    else if (kind === 4 && this.files.size > 30) this.remove(path);
    else if (kind === 5) this.shorten(path);
    else this.write(path, this.random.bytes(this.random.int(200_000)));
  }

  private write(path: string, content: Buffer): void {
    mkdirSync(dirname(join(this.directory, path)), { recursive: true });
    const kept = this.note(path, Buffer.alloc(0)); // A write of the whole file empties it first.
    writeFileSync(join(this.directory, path), content);
    this.hold(kept, content);
  }

  private append(path: string, more: Buffer): void {
    appendFileSync(join(this.directory, path), more);
    const kept = this.touch(path);
    this.hold(kept, Buffer.concat([kept.content, more]));
  }

  private shorten(path: string): void {
    const kept = this.touch(path);
    const sizeBytes = this.random.int(kept.content.length + 1);
    truncateSync(join(this.directory, path), sizeBytes);
    this.hold(kept, kept.content.subarray(0, sizeBytes));
  }

  private rename(from: string, to: string): void {
    const kept = this.touch(from);
    renameSync(join(this.directory, from), join(this.directory, to));
    this.files.delete(from);
    this.files.set(to, kept);
    this.touch(to);
  }

  /** As an editor saves: a new file beside it takes its name. */
  private replace(path: string, content: Buffer): void {
    this.touch(path);
    const beside = `${path}.tmp`;
    this.write(beside, content);
    this.rename(beside, path);
  }

  private remove(path: string): void {
    this.touch(path);
    rmSync(join(this.directory, path));
    this.files.delete(path);
  }

  private note(path: string, content: Buffer): Kept {
    const kept = this.files.get(path) ?? { content, held: [] };
    this.files.set(path, kept);
    this.hold(kept, content);
    return this.touch(path);
  }

  private hold(kept: Kept, content: Buffer): void {
    kept.content = content;
    kept.held.push(content);
  }

  private touch(path: string): Kept {
    const kept = this.files.get(path);
    if (kept === undefined) throw new Error(`${path} is not there`);
    const seen = this.seen.get(path) ?? new Set();
    this.seen.set(path, seen.add(kept));
    return kept;
  }
}

/** A write is not one step: a reader may see its first pages alone. */
function isBeginning(content: Buffer, whole: Buffer): boolean {
  return content.length < whole.length && content.length % PAGE_BYTES === 0 && content.equals(whole.subarray(0, content.length));
}
