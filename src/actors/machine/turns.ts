/** One after the other: what decides over snapshots, policy and the window sees nothing change between its look and its event. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** Runs `action` when all earlier ones have ended. */
  take<T>(action: () => Promise<T>): Promise<T> {
    const run = this.last.then(action, action);
    this.last = run.catch(() => undefined);
    return run;
  }
}
