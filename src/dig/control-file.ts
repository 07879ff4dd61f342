/**
 * The port of the control file: a small ordered map from bytes to bytes with atomic, durable transactions. It never holds the only
 * copy of anything that data file and events cannot give back.
 */

export interface ControlWrite {
  readonly key: Buffer;
  /** Absent: the key goes. */
  readonly value: Buffer | undefined;
}

export interface ControlEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface ControlFile {
  get(key: Buffer): Buffer | undefined;
  /** Up to `limit` entries with from <= key < to, ascending, or descending from the end. No view outlives the call. */
  range(from: Buffer, to: Buffer, options: { readonly limit: number; readonly reverse?: boolean }): ControlEntry[];
  /** All writes or none, in the order of the calls; visible to every later read and durable when it resolves. */
  commit(writes: readonly ControlWrite[]): Promise<void>;
  /** What the file's own structure shows wrong, without regard to what the rows mean. */
  problems(): string[];
  /** What the file takes on the disk. */
  sizeBytes(): number;
  /** Gives some space that it does not use back to the disk; true where nothing is left to give. To be called between commits alone. */
  giveBackStep(): boolean;
  close(): Promise<void>;
}

/** Opens or makes a control file. STORE_CORRUPT where its structure is damaged; NO_STORE where it is missing and not to be made. */
export type OpenControl = (options: { readonly path: string; readonly create: boolean; readonly readOnly: boolean }) => Promise<ControlFile>;
