/**
 * A small file that only takes space. When the disk is full it is given up, so that the control file has room for the transactions
 * that free something; when there is room again it is made anew.
 */
import { isRainbowError } from "../core/index.ts";
import type { Disk } from "../core/index.ts";

const RESERVE_FILE = "reserve";
const RESERVE_BYTES = 4 << 20; // Some transactions of 5,000 keys, the event of a rebase, and pages of trees for its snapshots.
const FULL_BYTES = 2 << 20;
const ROOMY_BYTES = 64 << 20;

export class DiskReserve {
  private readonly disk: Disk;
  private readonly directory: string;

  constructor(disk: Disk, directory: string) {
    this.disk = disk;
    this.directory = directory;
  }

  /** Before freeing. */
  giveUpWhenFull(): void {
    if (this.disk.freeBytes(this.directory) < FULL_BYTES && this.disk.exists(this.path)) this.disk.remove(this.path);
  }

  /** At open. */
  makeWhenRoomy(): void {
    if (this.disk.exists(this.path) || this.disk.freeBytes(this.directory) < ROOMY_BYTES) return;
    const file = this.disk.open(this.path, { create: true });
    try {
      file.write([Buffer.alloc(RESERVE_BYTES, "Rainbow's reserve: given up when the disk is full. ")], 0);
    } catch (error) {
      if (!isRainbowError(error, "DISK_FULL")) throw error; // Then there is none this time.
    } finally {
      file.close();
    }
  }

  private get path(): string {
    return `${this.directory}/${RESERVE_FILE}`;
  }
}
