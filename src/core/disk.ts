/**
 * The Disk port: the files that Rainbow itself keeps (data file, superblocks). A simulated disk loses, tears and flips behind it.
 * Every method throws RainbowError DISK_FULL where the disk is full and IO otherwise, with path and operation.
 */
export interface DiskFile {
  readonly path: string;
  /** Reads at `offsetBytes`; returns the bytes read, fewer than asked only at the end of the file. */
  read(into: Uint8Array, offsetBytes: number): number;
  /** Writes all of `parts`, one after the other, from `offsetBytes` on. Not durable before datasync. */
  write(parts: readonly Uint8Array[], offsetBytes: number): void;
  /** Everything written before the call is durable when it resolves. */
  datasync(): Promise<void>;
  datasyncSync(): void;
  /** Gives the space of a range back; it reads as zeros. Returns false where the filesystem cannot. */
  punchHole(offsetBytes: number, lengthBytes: number): boolean;
  sizeBytes(): number;
  /** Bytes really allocated on the disk. */
  allocatedBytes(): number;
  truncate(sizeBytes: number): void;
  close(): void;
}

export interface Disk {
  /** Opens for reading and writing (or reading alone); with `create`, makes the file (mode 0600) where it is missing. */
  open(path: string, options: { readonly create: boolean; readonly readOnly?: boolean }): DiskFile;
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  remove(path: string): void;
  /** Atomic replacement; durable when it returns. */
  rename(from: string, to: string): void;
  freeBytes(path: string): number;
}
