/** Who works on something, one after the other, in the order in which they asked. */
export class Turns {
  private readonly places: number;
  private readonly waiting: (() => void)[] = [];
  private takenCount = 0;

  /** So many at a time. */
  constructor(places = 1) {
    this.places = places;
  }

  get isFree(): boolean {
    return this.takenCount < this.places;
  }

  async take<T>(action: () => Promise<T>): Promise<T> {
    if (this.isFree) this.takenCount++;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.takenCount--;
      else next(); // The place goes on to him.
    }
  }
}
