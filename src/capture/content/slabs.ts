/**
 * Memory for payload on its way: chunks are packed into slabs, and a slab is used again once every chunk in it was given back. Making
 * memory for each chunk and leaving it to the garbage collector costs more time than compressing does.
 */

const SLAB_BYTES = 1 << 20;
const FREE_SLABS_MAX = 8; // About what is on its way at once; more is left to the garbage collector.

export class PayloadSlabs {
  private current: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private used = 0;
  /** Chunks that lie in a slab. What is never given back (a file that changed under the reader) just keeps its slab from being used again. */
  private readonly inUse = new WeakMap<ArrayBufferLike, number>();
  private readonly free: Buffer[] = [];

  /** What is left of a slab, at least `lengthBytes`. */
  room(lengthBytes: number): Buffer {
    if (this.used + lengthBytes > SLAB_BYTES) {
      this.current = this.free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.used = 0;
    }
    return this.current.subarray(this.used);
  }

  /** The first `lengthBytes` of that room, valid until they are given back. */
  take(lengthBytes: number): Buffer {
    const { current, used } = this;
    this.used += lengthBytes;
    this.inUse.set(current.buffer, (this.inUse.get(current.buffer) ?? 0) + 1);
    return current.subarray(used, used + lengthBytes);
  }

  giveBack(kept: Buffer): void {
    const count = (this.inUse.get(kept.buffer) ?? 0) - 1;
    if (count < 0) return; // Not from here.
    this.inUse.set(kept.buffer, count);
    if (count > 0) return;
    if (kept.buffer === this.current.buffer) this.used = 0;
    else if (this.free.length < FREE_SLABS_MAX) this.free.push(Buffer.from(kept.buffer));
  }
}
