/** Files that wait for a lane. Lanes take them in batches, in the order of the lists; what a lane could not fetch comes back first. */
import type { WantedFile } from "./fetching.ts";

export interface Batch {
  readonly countMax: number;
  /** One file may be larger. */
  readonly bytesMax: number;
}

export class LaneQueue {
  private files: WantedFile[] = [];
  private bytes = 0;
  /** Batches that lanes have in hand: their files may come back. */
  private takenCount = 0;
  private isClosed = false;
  private isStopped = false;
  private waiting: (() => void)[] = [];
  private end = (): void => undefined;
  /** Resolves when no file will come any more. */
  readonly over = new Promise<undefined>((resolve) => (this.end = () => resolve(undefined)));

  get count(): number {
    return this.files.length;
  }

  get totalBytes(): number {
    return this.bytes;
  }

  add(file: WantedFile): void {
    this.files.push(file);
    this.bytes += file.entry.sizeBytes;
    this.wake();
  }

  /** A batch; each that has files in it is to be answered by `settle`. */
  take({ countMax, bytesMax }: Batch): WantedFile[] {
    let [count, bytes] = [0, 0];
    for (; count < Math.min(countMax, this.files.length); count++) {
      const { sizeBytes } = this.files[count]!.entry;
      if (count > 0 && bytes + sizeBytes > bytesMax) break;
      bytes += sizeBytes;
    }
    this.bytes -= bytes;
    if (count > 0) this.takenCount++;
    return this.files.splice(0, count);
  }

  /** A batch is done with, but for these. */
  settle(left: readonly WantedFile[]): void {
    this.takenCount--;
    this.files.unshift(...left);
    for (const { entry } of left) this.bytes += entry.sizeBytes;
    this.wake();
  }

  /** Nothing will be added, but for what comes back. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  /** Lanes are to end, whatever waits. */
  stop(): void {
    this.isStopped = true;
    this.wake();
  }

  /** Waits until there are files; false where none will come. */
  async hasMore(): Promise<boolean> {
    while (this.files.length === 0 && !this.isOver) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return !this.isOver;
  }

  private get isOver(): boolean {
    return this.isStopped || (this.isClosed && this.files.length === 0 && this.takenCount === 0);
  }

  private wake(): void {
    if (this.isOver) this.end();
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
