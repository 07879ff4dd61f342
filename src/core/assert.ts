/** A broken assertion is a bug in Rainbow, never bad input: it is not meant to be caught and handled. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError unless `condition` holds. `claim` says what should have been so. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${claim}`);
}

/** For the default branch of a switch over a closed set. */
export function unreachable(value: never): never {
  throw new AssertionError(`assertion failed: unexpected value ${JSON.stringify(value)}`);
}
