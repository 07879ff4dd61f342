/**
 * Readers (rule 8): each counts as a snapshot in memory. It holds the pages of its base tree and the chunks of its instant; a crash
 * ends it.
 */

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

  add(lease: Lease): () => void {
    this.leases.add(lease);
    return () => {
      this.leases.delete(lease);
    };
  }

  get count(): number {
    return this.leases.size;
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
