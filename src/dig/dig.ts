/**
 * The face of DIG: payload chunks and copy-on-write trees of one machine, in one data file with a control file beside it.
 * The rules of lifespans and freeing are in RULES.md. Only ingest stores chunks; only the projection builds trees.
 */
import type { ChunkNumber, NewChunk, Revision } from "../core/index.ts";

export interface ChunkStore {
  /** The number that the next new chunk gets. */
  nextNumber(): ChunkNumber;
  /** A chunk with this full hash that dedup may name: it has a row (or is being stored) and is not condemned. */
  find(hash: Buffer): ChunkNumber | undefined;
  /**
   * Stores chunks under the next numbers, in order; returns the first number at once. `durable` resolves when payload and rows are
   * durable. QUOTA_FULL or DISK_FULL are thrown before anything is numbered.
   */
  store(chunks: readonly NewChunk[]): { readonly first: ChunkNumber; readonly durable: Promise<void> };
  /** Gives back numbers from `first` on that no event names (a refused batch, or at open). */
  giveBack(first: ChunkNumber): Promise<void>;
  /** Plain bytes, verified against the hash. DIG_CHECKSUM (facts: chunk, block) where they do not match; NOT_FOUND where freed. */
  read(chunk: ChunkNumber): Buffer;
  /**
   * The same, straight into the start of `into`, without remembering: for who reads much once. Returns their length; -1, with nothing
   * done, where there is no room for them. What is in `into` after an error is nothing.
   */
  readInto(chunk: ChunkNumber, into: Buffer): number;
  /** Full hash and plain length as the run header has them. */
  describe(chunk: ChunkNumber): { readonly hash: Buffer; readonly lengthBytes: number; readonly storedBytes: number };
  /** Replaces a bad chunk's bytes by good ones (repair); the hash must match. */
  mend(chunk: ChunkNumber, good: NewChunk): Promise<void>;
  /** Extent references of this chunk in the state at the newest registered tree at the end; 0 where it is dead there. */
  liveCount(chunk: ChunkNumber): number;
}

/** Keys and values are bytes; keys at most 300 bytes, values at most 1 MiB (long ones are stored beside the page). */
export interface TreeReader {
  readonly info: TreeInfo;
  get(key: Buffer): Buffer | undefined;
  /** Entries with from <= key < to in key order, lazily; safe to stop early. Buffers are valid until the next step. */
  range(from: Buffer, to: Buffer): IterableIterator<{ readonly key: Buffer; readonly value: Buffer }>;
  /** Ends the reader's lease on its pages. */
  close(): void;
}

export interface TreeInfo {
  readonly revision: Revision;
  /** Chain hash of the stream at `revision`, 32 bytes: a tree whose hash the store does not have is discarded. */
  readonly chainHash: Buffer;
  /** The next chunk number at `revision`. */
  readonly nextChunk: ChunkNumber;
  readonly entryCount: number;
  readonly pageCount: number;
  /** Pages this tree wrote anew. */
  readonly newPageCount: number;
}

/** A tree as an event carries it (rule 17): enough to find all its pages again, and to know that they are the ones. */
export interface SealedTree extends Omit<TreeInfo, "chainHash"> {
  /** In hex. */
  readonly chainHash: string;
  /** 0 in the empty tree. */
  readonly rootBlock: number;
  readonly rootCrc: number;
}

/** Reports each reference to a chunk that a tree holds; who knows what keys and values mean provides it. */
export type ReferencesOfTree = (tree: TreeReader, count: (chunk: ChunkNumber) => void) => Promise<void>;

/** What a tail of batches did to a chunk, at the end of the tail. */
export interface ChunkChange {
  readonly chunk: ChunkNumber;
  /** References added minus references removed since the base tree. */
  readonly delta: number;
  /** Set exactly where the chunk has no reference at the end: the batch end at which it last became so. */
  readonly deathRevision?: Revision;
}

export interface TreeBuild {
  /** Absent: the empty tree. Must be the newest tree at or before `revision`. */
  readonly base?: TreeInfo;
  readonly revision: Revision;
  readonly chainHash: Buffer;
  readonly nextChunk: ChunkNumber;
  /** Ascending by key, each key once; no value: the key goes. */
  readonly changes: Iterable<{ readonly key: Buffer; readonly value: Buffer | undefined }>;
  /** Every chunk that was stored or touched since the base, each once; ascending is cheapest. Ignored for a tree put before an existing next one (rule 6). */
  readonly chunks: Iterable<ChunkChange>;
}

export interface TreeStore {
  /** All registered trees by revision. */
  list(): TreeInfo[];
  /**
   * The newest tree at or before `revision`, held until closed; undefined where there is none (the empty tree). With `hold`, a reader's
   * whose base it is, it is held by that alone, which closing releases.
   */
  open(revision: Revision, hold?: ReaderHold): TreeReader | undefined;
  /** Builds, makes durable and registers. One at a time; yields to the event loop at least every 20 ms. Resolves when folded (rule 5). */
  build(build: TreeBuild): Promise<TreeInfo>;
  /** Forgets trees after `revision` (a store that lost its end, or a rebuild). Where the window was moved, those up to its start stay and needsRecount is true. */
  discardAfter(revision: Revision): Promise<void>;
  /** The tree at exactly this revision. */
  seal(revision: Revision): SealedTree | undefined;
  /** Live counts must be counted from the trees up to the window's start before anything is built, stored or freed. */
  readonly needsRecount: boolean;
  /** Does so (rule 18); nothing where it is not needed. Cut off, it begins anew at the next open. */
  recount(referencesOf: ReferencesOfTree): Promise<void>;
}

/** What freeing asks of ingest and projection (rule 10). */
export interface FreeBarrier {
  /** The head of the stream, noted once every batch decided before the call is appended. */
  headRevision(): Promise<Revision>;
  /** Resolves when the projection has passed it. */
  projected(revision: Revision): Promise<void>;
  /** Whether a projected event after the newest tree at the end stored or touched the chunk: how it stands is not in a tree yet. */
  isTouched(chunk: ChunkNumber): boolean;
}

/** A walk over all chunks that frees what no answer reads any more (rule 16). */
export interface PurgePlan {
  /** The next chunk to look at. */
  next: ChunkNumber;
  /** Chunks from here on are not looked at: an event that nobody has read yet may name them. */
  readonly below: ChunkNumber;
  /** Whether an answer reads it. Once `projected` of the barrier has resolved this knows of every event up to there. */
  readonly isNeeded: (chunk: ChunkNumber) => boolean;
  /** Something was left: how it stands is not in a tree yet. */
  isBlocked: boolean;
  /** Runs that could not be moved for want of room: what was freed in them shares blocks with what stays, until they are. */
  unmovedRuns: number;
}

/** Moving the window and freeing, in the small steps of dig-rules 7-12. Used by rebase. */
export interface Freeing {
  /** Drops a registered tree; its range of deaths joins the durable work set in the same transaction. */
  dropTree(revision: Revision): Promise<void>;
  /** Moves W forward; adds (old W, new W] to the work set. */
  moveWindow(revision: Revision): Promise<void>;
  /** A reader at `revision`, whose base is the newest tree at or before `base`: counts as a snapshot until released, or ended. */
  hold(revision: Revision, base?: Revision): ReaderHold;
  /** Ends readers that read nothing between two calls which lie at least `idleUs` apart. */
  endIdleReaders(nowUs: number, idleUs: number): void;
  /** The start of the window; 0 until it was moved. */
  window(): Revision;
  /** A reader of the stream: the events after `from` and the trees from there on stay until it is released, or ended. */
  holdEvents(from: Revision): EventsHold;
  /** The lowest `from` of those; Infinity where none reads. Truncation and the dropping of trees stop there. */
  readFrom(): number;
  /** Ends the holds from before `revision`, of readers that took too long. */
  endHolds(revision: Revision): void;
  /** On a full disk gives the reserve up, so that trees, events and rows have room to let something go. To be called before that. */
  makeRoom(): void;
  /** Works the set off in steps of about `stepMs`. Returns what was freed; call again until `done`. */
  work(barrier: FreeBarrier, stepMs: number): Promise<{ freedBytes: number; done: boolean }>;
  /** One step of about `stepMs` of a purge's walk; call again until `done`. */
  purge(plan: PurgePlan, barrier: FreeBarrier, stepMs: number): Promise<{ freedBytes: number; done: boolean }>;
  /** Purges up to this revision are worked off, as noted; 0 where none is. A control file that was made anew knows of none. */
  purgedUntil(): Revision;
  notePurged(revision: Revision): Promise<void>;
  /** The instants of all readers. */
  readersAt(): Revision[];
  /** Stored bytes of the chunks that would go if the window began at `window` and, before it, only trees at `kept` stayed. Changes nothing. */
  estimate(window: Revision, kept: readonly Revision[]): Promise<number>;
  /** Moves runs of which little is left, then gives back what the control file does not use, in steps of about `stepMs`; call again until `done`. QUOTA_FULL or DISK_FULL where there is no room to move. */
  clean(stepMs: number): Promise<{ freedBytes: number; done: boolean }>;
}

export interface ReaderHold {
  /** Said at each read. BUSY where it was ended: what was read may be gone. */
  use(): void;
  release(): void;
}

export interface EventsHold {
  /** What was read since may be incomplete: the reader gives up. */
  readonly isEnded: boolean;
  release(): void;
}

export interface DigUsage {
  readonly quotaBytes: number;
  readonly fileBytes: number;
  readonly allocatedBytes: number;
  readonly payloadBytes: number;
  readonly treeBytes: number;
  readonly freeBlocks: number;
  readonly controlBytes: number;
  readonly chunkCount: number;
}

export interface Problem {
  readonly what: string;
  readonly where: string;
  /** Damaged chunks, where it is one. */
  readonly chunk?: ChunkNumber;
}

export interface Dig {
  readonly uuid: string;
  readonly chunks: ChunkStore;
  readonly trees: TreeStore;
  readonly freeing: Freeing;
  usage(): DigUsage;
  /** How large the data file may grow from here on; a smaller one than is used takes nothing away, and refuses what is new. */
  setQuota(quotaBytes: number): void;
  /** How much of the disk new payload leaves free; trees, and what frees space, may use it. Until it is said, 16 MiB. */
  setLeftFree(freeBytes: number): void;
  /**
   * Verifies superblocks, bitmap against all references (leaked and doubly used blocks), every page of every registered tree, every
   * row and run header; with `readData` every chunk is re-read and re-hashed. Calls `progress` with bytes done and all. Never throws on damage.
   */
  check(options: { readonly readData: boolean; readonly progress?: (doneBytes: number, allBytes: number) => void }): AsyncIterable<Problem>;
  close(): Promise<void>;
}
