/**
 * Readers (rule 8): each counts as a snapshot in memory. It holds the pages of its base tree and the chunks of its instant; a crash
 * ends it, and so does who wants the space where nothing was read for long.
 */
import { RainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import type { EventsHold, ReaderHold } from "./dig.ts";

export interface Lease {
  /** Revision of the tree whose pages it reads; undefined where it reads none. */
  readonly base: number | undefined;
  /** The instant whose chunks it reads. */
  readonly revision: number;
  /** Chunks from this number on did not exist at its instant. */
  readonly nextChunk: number;
}

class Hold implements ReaderHold, Lease {
  readonly base: number | undefined;
  readonly revision: number;
  readonly nextChunk: number;
  isEnded = false;
  private isUsed = true;
  private seenUs = 0;
  private readonly leases: Set<Lease>;

  constructor(lease: Lease, leases: Set<Lease>) {
    ({ base: this.base, revision: this.revision, nextChunk: this.nextChunk } = lease);
    this.leases = leases;
    leases.add(this);
  }

  use(): void {
    if (this.isEnded)
      throw new RainbowError("BUSY", `nothing of r${this.revision} was read for so long that it was given up: ask again`, { revision: this.revision });
    this.isUsed = true;
  }

  release(): void {
    this.leases.delete(this);
  }

  /** Ends it where it was not used between calls that lie `idleUs` apart. */
  endIfIdle(nowUs: number, idleUs: number): void {
    if (this.isUsed) [this.isUsed, this.seenUs] = [false, nowUs];
    else if (nowUs - this.seenUs > idleUs) {
      this.isEnded = true;
      this.release();
    }
  }
}

export class Leases {
  private readonly leases = new Set<Lease>();
  private readonly events = new Set<{ readonly from: Revision; isEnded: boolean }>();

  /** Never ended by others. */
  add(lease: Lease): () => void {
    this.leases.add(lease);
    return () => {
      this.leases.delete(lease);
    };
  }

  hold(lease: Lease): ReaderHold {
    return new Hold(lease, this.leases);
  }

  endIdle(nowUs: number, idleUs: number): void {
    for (const lease of this.leases) if (lease instanceof Hold) lease.endIfIdle(nowUs, idleUs);
  }

  get count(): number {
    return this.leases.size;
  }

  /** The instants that are being read. */
  revisions(): Revision[] {
    return [...this.leases].map(({ revision }) => revision as Revision);
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
