/** Who waits for a projection to pass a revision. */
import type { Revision } from "../../core/index.ts";

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Waiters {
  private waiting: Waiter[] = [];

  until(revision: Revision): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ revision, resolve, reject }));
  }

  passed(at: Revision): void {
    this.waiting = this.waiting.filter((waiter) => {
      if (waiter.revision > at) return true;
      waiter.resolve();
      return false;
    });
  }

  fail(error: unknown): void {
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }
}
