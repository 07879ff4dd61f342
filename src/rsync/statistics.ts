/** The counts that a server sends when all files are through. PROTOCOL.md "End". */
import type { Statistics } from "./events.ts";
import type { Inbox } from "./inbox.ts";

export function* readStatistics(inbox: Inbox, protocol: number): Generator<undefined, Statistics> {
  const count = (): Generator<undefined, number> => inbox.read((cursor) => (protocol >= 30 ? cursor.varlong(3) : cursor.longint()));
  const readBytes = yield* count();
  const writtenBytes = yield* count();
  const totalSizeBytes = yield* count();
  const listBuildMs = protocol >= 29 ? yield* count() : undefined;
  const listSendMs = protocol >= 29 ? yield* count() : undefined;
  return { readBytes, writtenBytes, totalSizeBytes, listBuildMs, listSendMs };
}
