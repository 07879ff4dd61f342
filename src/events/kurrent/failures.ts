/**
 * What a failure of the client means. Facts, not messages, decide, but for one case: an error from below the client (no `type`) comes
 * from the connection. Whatever is not known to have done nothing counts as unknown.
 */
import { RainbowError } from "../../core/index.ts";
import type { Address } from "./address.ts";

/**
 * `unknown`: it may have been done. `conflict`: the expectation did not hold. `missing`: no such stream, or soft-deleted.
 * `tombstoned`: deleted for good by somebody. `denied`, `large`: refused, nothing was done.
 */
export type FailureKind = "unknown" | "conflict" | "missing" | "tombstoned" | "denied" | "large";

const KINDS: Readonly<Record<string, FailureKind>> = {
  "wrong-expected-version": "conflict",
  "stream-not-found": "missing",
  "no-stream": "missing",
  "stream-deleted": "tombstoned",
  "stream-tombstoned": "tombstoned",
  "access-denied": "denied",
  "maximum-append-size-exceeded": "large",
};

export function failureKind(error: unknown): FailureKind {
  const type = typeof error === "object" && error !== null && "type" in error ? String(error.type) : "";
  return KINDS[type] ?? "unknown";
}

/** The stream's real last revision, as a refused append tells it; -1 where it has none. */
export function actualRevision(error: unknown): number {
  const actual = typeof error === "object" && error !== null && "actualState" in error ? error.actualState : undefined;
  return typeof actual === "bigint" ? Number(actual) : -1;
}

export function unreachable(address: Address, cause: unknown): RainbowError {
  const what = `the event store ${address.shown} cannot be reached (${messageOf(cause)})`;
  return new RainbowError(
    "STORE_UNREACHABLE",
    `${what}: start it, or check the address; nothing is kept elsewhere meanwhile`,
    { address: address.shown },
    cause,
  );
}

export function denied(address: Address, what: string, cause: unknown): RainbowError {
  const advice = "give the address a user and password that may read, write and scavenge, as in esdb://user:password@host";
  return new RainbowError("STORE_REFUSED", `the event store ${address.shown} does not let us ${what}: ${advice}`, { address: address.shown }, cause);
}

export function outcomeUnknown(stream: string, address: Address, cause: unknown): RainbowError {
  const what = `an append to stream '${stream}' may or may not be stored in ${address.shown} (${messageOf(cause)})`;
  return new RainbowError("OUTCOME_UNKNOWN", `${what}: send it again with the same ids and expectation`, { stream, address: address.shown }, cause);
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" ? error.name : error.message;
}
