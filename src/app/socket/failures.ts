/** Errors as JSON: a RainbowError keeps its code, message and facts; any other error is named and becomes a plain Error there. */
import { ERRORS, OsError, RainbowError } from "../../core/index.ts";
import type { ErrorCode, Facts } from "../../core/index.ts";
import { jsonPayload, jsonValue } from "./frames.ts";

interface Failure {
  readonly code?: string;
  readonly name: string;
  readonly message: string;
  readonly facts?: Facts;
}

export function encodeFailure(error: unknown): Buffer {
  if (error instanceof RainbowError) return payloadOf({ code: error.code, name: error.name, message: error.message, facts: error.facts });
  if (error instanceof OsError) return payloadOf({ code: "IO", name: error.name, message: error.message, facts: { system: error.code } });
  if (error instanceof Error) return payloadOf({ name: error.name, message: error.message });
  return payloadOf({ name: "Error", message: String(error) });
}

/** Facts are for programs; ones that are no JSON are left out rather than the error. */
function payloadOf(failure: Failure): Buffer {
  try {
    return jsonPayload(failure);
  } catch {
    return jsonPayload({ ...failure, facts: {} });
  }
}

export function decodeFailure(payload: Buffer): Error {
  const failure = (jsonValue(payload) ?? {}) as Partial<Failure>;
  const message = failure.message ?? "the running Rainbow gave an error without words";
  if (failure.code !== undefined && isErrorCode(failure.code)) return new RainbowError(failure.code, message, failure.facts ?? {});
  const error = new Error(message);
  error.name = failure.name ?? "Error";
  return error;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
