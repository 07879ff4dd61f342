/**
 * Chunks that some kept answer reads: what a purge must leave (rule 16). Named by a file that is not purged there, in the tree of a kept
 * snapshot or of the window's start, or by an event of the window. What a purged file had at its purge is read from then on, and what was
 * copied out of it is another file's.
 */
import type { ChunkNumber, NodeId, Revision } from "../../core/index.ts";
import { ChunkSet } from "../../dig/index.ts";
import type { TreeReader } from "../../dig/index.ts";
import { decodeStored, nodeOfStored, readStoredBatches } from "../../events/index.ts";
import type { EventStore, StoredBatch } from "../../events/index.ts";
import { chunksOfNode } from "../dig-tree/internal.ts";
import { referencesOfTree } from "../dig-tree/index.ts";
import type { Purges, StateView } from "../dig-tree/index.ts";

const SLICE_EVENTS = 5000;

export interface NeededFrom {
  readonly store: EventStore;
  readonly stream: string;
  /** Those that are to be carried out. */
  readonly purges: Purges;
  /** Where the window begins; 0: at the stream's first event. */
  readonly window: Revision;
  readonly viewAt: (revision: Revision) => Promise<StateView>;
}

export class NeededChunks {
  readonly chunks = new ChunkSet();
  private readonly from: NeededFrom;
  private at: Revision;

  constructor(from: NeededFrom) {
    this.from = from;
    this.at = (from.window === 0 ? -1 : from.window) as Revision;
  }

  /** Of a kept snapshot before the window, or of the window's start. */
  async addTree(reader: TreeReader): Promise<void> {
    const { purges } = this.from;
    const { revision } = reader.info;
    await referencesOfTree(reader, (chunk, node) => {
      if (purges.of(node, revision) === undefined) this.chunks.add(chunk);
    });
  }

  /** What the purged files had when they were purged. */
  async addPresent(): Promise<void> {
    const { purges, window, viewAt } = this.from;
    for (const { purge, nodes } of purges.after(window)) {
      const view = await viewAt(purge.revision);
      try {
        let count = 0;
        for (const node of nodes) {
          if (purges.of(node, purge.revision) === undefined) this.addFile(view, node);
          if (++count % SLICE_EVENTS === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        view.close();
      }
    }
  }

  /** Goes on through the events up to a batch end. */
  async addEvents(to: Revision, onProgress: (at: Revision) => void = () => undefined): Promise<void> {
    const { store, stream } = this.from;
    let count = 0;
    for await (const batch of readStoredBatches(store, stream, (this.at + 1) as Revision, to)) {
      await this.addBatch(batch);
      this.at = batch.last;
      count += batch.stored.length;
      if (count < SLICE_EVENTS) continue;
      count = 0;
      onProgress(batch.last);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private async addBatch(batch: StoredBatch): Promise<void> {
    const { purges } = this.from;
    const isPurged = (node: NodeId): boolean => purges.of(node, batch.last) !== undefined;
    const copies = new Set<NodeId>();
    for (const stored of batch.stored) {
      if (stored.type === "RangeCloned") {
        const event = decodeStored(stored);
        if (event.type === "RangeCloned" && isPurged(event.fromNode) && !isPurged(event.node)) copies.add(event.node);
      }
      const node = stored.type === "ExtentsWritten" ? nodeOfStored(stored) : undefined;
      if (node === undefined || isPurged(node)) continue;
      const event = decodeStored(stored);
      if (event.type === "ExtentsWritten") for (const { chunk } of event.extents) this.chunks.add(chunk);
    }
    if (copies.size > 0) await this.addCopies(batch.last, copies);
  }

  /** Files that got content of a purged one, with all they have at that batch end: only there can it be read. */
  private async addCopies(revision: Revision, nodes: ReadonlySet<NodeId>): Promise<void> {
    const view = await this.from.viewAt(revision);
    try {
      for (const node of nodes) this.addFile(view, node);
    } finally {
      view.close();
    }
  }

  private addFile(view: StateView, node: NodeId): void {
    chunksOfNode(view.state, node, (chunk) => this.chunks.add(chunk as ChunkNumber));
  }
}
