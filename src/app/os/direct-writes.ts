/**
 * Writes of one file that pass the page cache by, carried out behind the caller's back by the addon. To the file's owner they look like
 * any other write: in order, readable at once (a read of a range under way waits for it), and durable with the next sync.
 */
import { BLOCK_BYTES, byteStringOfText, OsError } from "../../core/index.ts";
import type { Addon, AddonDirectWriter } from "./addon.ts";
import { errnoName } from "./failure.ts";

const BYTES_MIN = 64 * 1024; // A smaller write is dearer as a request of its own than as pages of the cache.

interface UnderWay {
  readonly from: number;
  readonly to: number;
  readonly ended: Promise<void>;
}

export class DirectWrites {
  readonly #path: string;
  readonly #writer: AddonDirectWriter;
  readonly #underWay = new Set<UnderWay>();
  #failure: OsError | undefined;

  private constructor(path: string, writer: AddonDirectWriter) {
    this.#path = path;
    this.#writer = writer;
  }

  /** Undefined where the filesystem has no such writes. */
  static open(addon: Addon, path: string, fd: number): DirectWrites | undefined {
    const direct = addon.openDirect(byteStringOfText(path), fd);
    return direct < 0 ? undefined : new DirectWrites(path, new addon.DirectWriter(direct, fd));
  }

  /** Takes its space on the disk at once; false where this write is none for here. The parts may be reused after the call. */
  write(parts: readonly Uint8Array[], offsetBytes: number): boolean {
    const byteCount = lengthOf(parts);
    if (byteCount < BYTES_MIN || byteCount % BLOCK_BYTES !== 0 || offsetBytes % BLOCK_BYTES !== 0) return false;
    if (this.#overlaps(offsetBytes, offsetBytes + byteCount)) this.#writer.wait();
    const begun = this.#writer.write(parts, byteCount, offsetBytes);
    if (typeof begun === "number") {
      if (errnoName(-begun) === "EOPNOTSUPP") return false;
      throw this.#failureOf(begun);
    }
    const underWay = { from: offsetBytes, to: offsetBytes + byteCount, ended: begun.then((status) => this.#note(status)) };
    this.#underWay.add(underWay);
    void underWay.ended.then(() => this.#underWay.delete(underWay));
    return true;
  }

  /** Waits, without letting others run, where a write under way touches the range. */
  settle(from: number, to: number): void {
    if (this.#overlaps(from, to)) this.#writer.wait();
  }

  /** Resolves when every write begun so far has ended; rejects where one has ever failed. */
  async ended(): Promise<void> {
    await Promise.all([...this.#underWay].map(({ ended }) => ended));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The same, without letting others run. */
  endedNow(): void {
    this.#note(this.#writer.wait());
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#writer.close();
  }

  #overlaps(from: number, to: number): boolean {
    for (const each of this.#underWay) if (each.from < to && from < each.to) return true;
    return false;
  }

  #note(status: number): void {
    if (status < 0) this.#failure ??= this.#failureOf(status);
  }

  #failureOf(status: number): OsError {
    return new OsError(errnoName(-status), "write", byteStringOfText(this.#path));
  }
}

export function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
