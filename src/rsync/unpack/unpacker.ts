/** What turns the packed literal bytes of a session back: fed with one chunk at a time, drained before the next. */
export interface Unpacker {
  /** A file begins. */
  begin(): void;
  /** The next chunk. It must stay as it is until `next` gave undefined. */
  feed(chunk: Buffer): void;
  /** The next plain bytes, never none; a view that is valid until the next call. Undefined where all of the chunk is out. */
  next(): Buffer | undefined;
  /** All that was packed so far is due: a block of the basis or the file's end comes next. To be drained as after a chunk. */
  sync(): void;
  /** Whether `remember` must be told the bytes of copied blocks. */
  readonly needsCopies: boolean;
  /** Bytes that were not packed, but to which packed ones may refer. */
  remember(bytes: Buffer): void;
}
