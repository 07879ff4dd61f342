/** Messages that come between the data, by tag. PROTOCOL.md "Frames". */
import { broken } from "./failure.ts";
import { TIMEOUT_SECONDS_MAX } from "./limits.ts";

export const TAG = {
  errorTransfer: 1,
  info: 2,
  error: 3,
  warning: 4,
  ioError: 22,
  ioTimeout: 33,
  noop: 42,
  errorExit: 86,
  deleted: 101,
  noSend: 102,
} as const;

/** "partial": a file could not be read, and the run is incomplete. */
export type Severity = "partial" | "info" | "error" | "warning";

export type Message =
  | { readonly kind: "text"; readonly severity: Severity; readonly text: string }
  | { readonly kind: "ioError"; readonly bits: number }
  | { readonly kind: "timeout"; readonly seconds: number }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "noSend"; readonly index: number }
  | { readonly kind: "nothing" };

const SEVERITIES: Readonly<Record<number, Severity>> = {
  [TAG.errorTransfer]: "partial",
  [TAG.info]: "info",
  [TAG.error]: "error",
  [TAG.warning]: "warning",
  [TAG.deleted]: "info",
};

export function decodeMessage(tag: number, payload: Buffer): Message {
  const severity = SEVERITIES[tag];
  if (severity !== undefined) return { kind: "text", severity, text: payload.toString("utf8").trimEnd() };
  switch (tag) {
    case TAG.ioError:
      return { kind: "ioError", bits: number(tag, payload) & 7 };
    case TAG.ioTimeout: {
      const seconds = number(tag, payload);
      return seconds > 0 && seconds <= TIMEOUT_SECONDS_MAX ? { kind: "timeout", seconds } : { kind: "nothing" };
    }
    case TAG.noSend:
      return { kind: "noSend", index: number(tag, payload) };
    case TAG.errorExit:
      return { kind: "exit", code: payload.length === 0 ? 0 : number(tag, payload) };
    case TAG.noop:
      return { kind: "nothing" };
    default:
      throw broken(`it sends a message with the tag ${tag}, which a sender has no use for`, { tag });
  }
}

function number(tag: number, payload: Buffer): number {
  if (payload.length !== 4) throw broken(`a message with the tag ${tag} has ${payload.length} bytes`, { tag });
  return payload.readInt32LE(0);
}
