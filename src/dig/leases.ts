/**
 * Readers (rule 8): each counts as a snapshot in memory. It holds the pages of its base tree and the chunks of its instant; a crash
 * ends it.
 */

import type { Revision } from "../core/index.ts";
import type { EventsHold } from "./dig.ts";

interface Lease {
  /** Revision of the tree whose pages it reads; undefined where it reads none. */
  readonly base: number | undefined;
  /** The instant whose chunks it reads. */
  readonly revision: number;
  /** Chunks from this number on did not exist at its instant. */
  readonly nextChunk: number;
}

export class Leases {
  private readonly leases = new Set<Lease>();
  private readonly events = new Set<{ readonly from: Revision; isEnded: boolean }>();

  add(lease: Lease): () => void {
    this.leases.add(lease);
    return () => {
      this.leases.delete(lease);
    };
  }

  get count(): number {
    return this.leases.size;
  }

  /** Holds the events after `from` and the trees from there on, until released or ended. */
  addEvents(from: Revision): EventsHold {
    const entry = { from, isEnded: false };
    this.events.add(entry);
    return {
      get isEnded() {
        return entry.isEnded;
      },
      release: () => void this.events.delete(entry),
    };
  }

  /** Infinity where none is held. */
  oldestEvents(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { from } of this.events) oldest = Math.min(oldest, from);
    return oldest;
  }

  /** Ends every hold from before `revision`. */
  endEvents(revision: Revision): void {
    for (const entry of this.events) {
      if (entry.from >= revision) continue;
      entry.isEnded = true;
      this.events.delete(entry);
    }
  }

  /** A reader's base tree has a page that lived from `birth` until `death`. */
  holdsPage(birth: number, death: number): boolean {
    for (const { base } of this.leases) if (base !== undefined && birth <= base && base < death) return true;
    return false;
  }

  /** A reader's instant may name a chunk that died at `death`. */
  holdsChunk(chunk: number, death: number): boolean {
    for (const { revision, nextChunk } of this.leases) if (chunk < nextChunk && revision < death) return true;
    return false;
  }
}
