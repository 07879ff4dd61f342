/** Waiting for news without a queue: whoever waits is woken by the next `wake`, and looks for itself at what is new. */
export class Wakeup {
  private waiting: (() => void)[] = [];

  wake(): void {
    const woken = this.waiting;
    this.waiting = [];
    for (const resolve of woken) resolve();
  }

  /** Resolves at the next wake, or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        this.waiting = this.waiting.filter((other) => other !== done);
        resolve();
      };
      signal.addEventListener("abort", done);
      this.waiting.push(done);
    });
  }
}
