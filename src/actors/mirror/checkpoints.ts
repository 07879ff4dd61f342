/**
 * What of large uploads that are under way can be gone on with, written down now and then: a process that is killed goes on with them
 * from there. Only what the store would keep through a power cut is written down. All of it goes on beside the uploads themselves.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { BrokenUpload } from "./broken-uploads.ts";

export interface CheckpointOptions {
  /** So much of one file lies between two. */
  readonly everyBytes: number;
  /** Durable when it resolves, instead of what was kept before. */
  readonly keep: (uploads: readonly BrokenUpload[]) => Promise<void>;
}

const PER_FILE_MAX = 64; // Each is written with the sums of all that the file has by then.

export class Checkpoints {
  private readonly store: Pick<ObjectStore, "settle">;
  private readonly options: CheckpointOptions;
  private readonly uploads: Map<ByteString, BrokenUpload>;
  private isWritten = true;
  private writing: Promise<void> | undefined;
  private failure: { readonly cause: unknown } | undefined;

  /** `before` are kept as well, until they are over. */
  constructor(store: Pick<ObjectStore, "settle">, options: CheckpointOptions, before: readonly BrokenUpload[]) {
    this.store = store;
    this.options = options;
    this.uploads = new Map(before.map((upload) => [upload.entry.path, upload]));
  }

  /** Between two checkpoints of a file of that size. */
  everyBytesOf(sizeBytes: number): number {
    return Math.max(this.options.everyBytes, Math.ceil(sizeBytes / PER_FILE_MAX));
  }

  /** The store has taken all that its sums are of. */
  take(upload: BrokenUpload): void {
    this.uploads.set(upload.entry.path, upload);
    this.isWritten = false;
    this.writing ??= this.write();
  }

  /** The upload is whole, or given up. What was kept of it stays until the next is: nothing is found of it then. */
  over(path: ByteString): void {
    this.uploads.delete(path);
  }

  /** Nothing is being written any more; throws what went wrong. */
  async finish(): Promise<void> {
    await this.writing;
    if (this.failure !== undefined) throw this.failure.cause;
  }

  private async write(): Promise<void> {
    try {
      while (!this.isWritten) {
        this.isWritten = true;
        const uploads = [...this.uploads.values()];
        await this.store.settle();
        await this.options.keep(uploads);
      }
    } catch (cause) {
      this.failure ??= { cause };
    }
    this.writing = undefined;
  }
}
