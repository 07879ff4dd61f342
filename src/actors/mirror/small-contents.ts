/**
 * Memory for the contents of small files, many to a slab: a buffer for each would keep the collector busy. A slab serves again once all
 * of its contents are stored.
 */
const SLAB_BYTES = 1 << 20;
const FREE_SLABS_MAX = 4;
export const SMALL_BYTES_MAX = 64 << 10;

export class SmallContents {
  private slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private fillBytes = 0;
  /** Contents that are not let go yet, by slab. */
  private readonly heldCounts = new Map<ArrayBufferLike, number>();
  private readonly free: Buffer[] = [];

  /** Room for one content of at most SMALL_BYTES_MAX. */
  take(byteCount: number): Buffer {
    if (this.fillBytes + byteCount > SLAB_BYTES) {
      this.slab = this.free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.fillBytes = 0;
    }
    const { buffer } = this.slab;
    this.heldCounts.set(buffer, (this.heldCounts.get(buffer) ?? 0) + 1);
    this.fillBytes += byteCount;
    return this.slab.subarray(this.fillBytes - byteCount, this.fillBytes);
  }

  /** It is stored. A content from elsewhere is passed over. */
  release(content: Uint8Array): void {
    const { buffer } = content;
    const heldCount = this.heldCounts.get(buffer);
    if (heldCount === undefined) return;
    if (heldCount > 1) return void this.heldCounts.set(buffer, heldCount - 1);
    this.heldCounts.delete(buffer);
    if (buffer !== this.slab.buffer && this.free.length < FREE_SLABS_MAX) this.free.push(Buffer.from(buffer));
  }
}
