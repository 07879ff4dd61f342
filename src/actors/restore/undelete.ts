/** Brings back what was deleted: restores it as it last was, to where it was, and never over anything that stands there now. */
import type { ByteString, Clock, Os } from "../../core/index.ts";
import { resolvePath } from "../../projections/index.ts";
import type { View } from "../../projections/index.ts";
import type { RestoreOutput } from "./items.ts";
import type { RestoreRequest } from "./request.ts";
import { restore } from "./restore.ts";

export interface UndeleteRequest {
  readonly os: Os;
  /** The state at the end of the last batch before `path` went. */
  readonly view: View;
  readonly path: ByteString;
  /** Somewhere else than where it was. */
  readonly target?: ByteString | undefined;
  readonly sync?: RestoreRequest["sync"];
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

/** As restore; throws NOT_FOUND where the view has no such path, and TARGET_REFUSED where something stands in its place. */
export async function* undelete(request: UndeleteRequest): AsyncGenerator<RestoreOutput, void, undefined> {
  const { view, path } = request;
  yield* restore({
    os: request.os,
    view,
    node: resolvePath(view, path).node,
    path,
    target: request.target ?? path,
    options: { overwrite: false, delete: false, dryRun: false, include: [], exclude: [] },
    exclusive: true,
    ...(request.sync === undefined ? {} : { sync: request.sync }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    clock: request.clock,
  });
}
