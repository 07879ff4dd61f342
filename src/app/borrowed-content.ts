/** A data file of trees alone, with the content of another one: what a replay for an auditor reads from. Every chunk is verified there as ever. */
import { join } from "node:path";
import { isRainbowError, RainbowError } from "../core/index.ts";
import type { ChunkNumber, Disk } from "../core/index.ts";
import { openDig } from "../dig/index.ts";
import type { ChunkStore, Dig } from "../dig/index.ts";
import { openLmdbControl } from "../dig/lmdb/index.ts";
import type { ReplayOrigin } from "./data-directory.ts";
import { openZstd } from "./os/index.ts";

export interface Lender {
  readonly disk: Disk;
  readonly origin: ReplayOrigin;
  readonly machine: string;
  readonly hashKey: Buffer;
}

/** The lender's data file may be in use, away, or have let go what is asked for: then a file's content is refused, and all else is there. */
export async function withBorrowedContent(own: Dig, lender: Lender): Promise<Dig> {
  const { disk, origin, machine, hashKey } = lender;
  let lent: Dig | undefined;
  let reason: unknown;
  try {
    const directory = join(origin.of, "machines", machine);
    lent = await openDig({ disk, directory, hashKey, control: openLmdbControl, zstd: openZstd(), readOnly: true });
  } catch (error) {
    reason = error;
  }
  const chunks = new BorrowedChunks(origin, lent, reason);
  const close = async (): Promise<void> => {
    await lent?.close();
    await own.close();
  };
  return {
    uuid: own.uuid,
    chunks,
    trees: own.trees,
    freeing: own.freeing,
    usage: () => own.usage(),
    setQuota: (quotaBytes) => own.setQuota(quotaBytes),
    setLeftFree: (freeBytes) => own.setLeftFree(freeBytes),
    check: (options) => own.check(options),
    close,
  };
}

class BorrowedChunks implements ChunkStore {
  private readonly origin: ReplayOrigin;
  private readonly lent: Dig | undefined;
  private readonly reason: unknown;

  constructor(origin: ReplayOrigin, lent: Dig | undefined, reason: unknown) {
    this.origin = origin;
    this.lent = lent;
    this.reason = reason;
  }

  /** Every number that events name is taken for known: whether it is shows when it is read. */
  nextNumber(): ChunkNumber {
    return Number.MAX_SAFE_INTEGER as ChunkNumber;
  }

  find(): undefined {
    return undefined;
  }

  store(): never {
    throw this.refusal("nothing is stored in a replay");
  }

  giveBack(): Promise<void> {
    return Promise.reject(this.refusal("nothing is stored in a replay"));
  }

  mend(): Promise<void> {
    return Promise.reject(this.refusal("nothing is stored in a replay"));
  }

  liveCount(): number {
    return 0;
  }

  read(chunk: ChunkNumber): Buffer {
    return this.borrow((chunks) => chunks.read(chunk));
  }

  readInto(chunk: ChunkNumber, into: Buffer): number {
    return this.borrow((chunks) => chunks.readInto(chunk, into));
  }

  describe(chunk: ChunkNumber): ReturnType<ChunkStore["describe"]> {
    return this.borrow((chunks) => chunks.describe(chunk));
  }

  private borrow<T>(read: (chunks: ChunkStore) => T): T {
    if (this.lent === undefined) {
      const why = this.reason instanceof Error ? `: ${this.reason.message}` : "";
      throw this.refusal(`a replay has names and attributes; content lies in ${this.origin.of}, which cannot be read${why}`);
    }
    try {
      return read(this.lent.chunks);
    } catch (error) {
      if (!isRainbowError(error, "NOT_FOUND")) throw error;
      throw this.refusal(`this content was let go in ${this.origin.of} since the replay was made`);
    }
  }

  private refusal(why: string): RainbowError {
    return new RainbowError("UNSUPPORTED", why, { of: this.origin.of });
  }
}
