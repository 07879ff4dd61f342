/** The bounded way from the machine's work to whoever iterates over the restore's items. One reader. */
import type { RestoreOutput } from "./items.ts";

const ITEMS_MAX = 1024; // About 200 bytes each; the writer rests when that many wait.

export class Outlet {
  private items: RestoreOutput[] = [];
  private end: { readonly failure: unknown; readonly isFailure: boolean } | undefined;
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;

  get isFull(): boolean {
    return this.items.length >= ITEMS_MAX;
  }

  put(item: RestoreOutput): void {
    this.items.push(item);
    this.wakeReader?.();
  }

  finish(): void {
    this.close({ failure: undefined, isFailure: false });
  }

  /** The reader gets all items first, then the failure. */
  fail(failure: unknown): void {
    this.close({ failure, isFailure: true });
  }

  /** Resolves when there is room again, or `signal` aborts. */
  async drained(signal: AbortSignal): Promise<void> {
    if (!this.isFull || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.wakeWriter = wake;
      signal.addEventListener("abort", wake);
    });
  }

  async *read(): AsyncGenerator<RestoreOutput, void, undefined> {
    for (;;) {
      const items = this.items;
      this.items = [];
      this.wakeWriter?.();
      this.wakeWriter = undefined;
      yield* items;
      if (this.items.length > 0) continue;
      if (this.end?.isFailure === true) throw this.end.failure;
      if (this.end !== undefined) return;
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
      this.wakeReader = undefined;
    }
  }

  private close(end: { readonly failure: unknown; readonly isFailure: boolean }): void {
    this.end ??= end;
    this.wakeReader?.();
  }
}
