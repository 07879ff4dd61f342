/** What callbacks tell, for one who reads it as a stream. What he does not take in time is not kept, and who tells is told so. */
const KEPT_MAX = 50_000;

export class Told<Item> {
  private items: Item[] = [];
  private wake: (() => void) | undefined;
  private isOver = false;

  /** False where it was not kept. */
  tell(item: Item): boolean {
    if (this.items.length >= KEPT_MAX) return false;
    this.items.push(item);
    this.wake?.();
    return true;
  }

  end(): void {
    this.isOver = true;
    this.wake?.();
  }

  /** Until `end`, or until `signal` aborts. */
  async *read(signal: AbortSignal | undefined): AsyncGenerator<Item> {
    const stop = (): void => this.end();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      while (signal?.aborted !== true) {
        const taken = this.items;
        this.items = [];
        yield* taken;
        if (taken.length > 0) continue;
        if (this.isOver) return;
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}
