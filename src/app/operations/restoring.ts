/** Restore and undelete: an instant's view handed to the restore actor, with the notes a person needs to take it back. */
import { restore, undelete } from "../../actors/restore/index.ts";
import type { RestoreOutput } from "../../actors/restore/index.ts";
import type { OpenedMachine } from "../../actors/machine/index.ts";
import { displayOf, isRainbowError, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { deletionsBelow, resolvePath } from "../../projections/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { touching, viewAt } from "./instants.ts";
import { placeAt } from "./places.ts";
import type { AsOfItem, Operations, ProgressItem, RestoreItem, RestoreRequest, RestoreSummary } from "./types.ts";

type Items = AsyncGenerator<AsOfItem | ProgressItem | RestoreItem | RestoreSummary>;

export function restoring(context: OperationsContext): Pick<Operations, "restore" | "undelete"> {
  return {
    restore: (request) => restoreItems(context, request),
    undelete: (request) => undeleteItems(context, request),
  };
}

async function* restoreItems(context: OperationsContext, request: RestoreRequest): Items {
  const { os, clock } = context;
  const undoRevision = request.inPlace ? await presentRevision(context) : undefined;
  const { view, place, asOf } = await placeAt(context, request);
  try {
    yield { type: "as-of", ...asOf };
    const { overwrite, dryRun, include, exclude } = request;
    const outputs = restore({
      os,
      clock,
      view,
      node: place.node,
      path: place.path,
      target: request.target,
      options: { overwrite: overwrite || request.inPlace, delete: request.delete, dryRun, include, exclude },
      keep: (path) => context.capture?.why(path)?.why,
    });
    for await (const output of outputs) yield withUndo(output, undoRevision);
  } finally {
    view.close();
  }
}

function withUndo(output: RestoreOutput, undoRevision: number | undefined): ProgressItem | RestoreItem | RestoreSummary {
  return output.type === "summary" && undoRevision !== undefined ? { ...output, undoRevision } : output;
}

/** What is there now, made durable first, so that an in-place restore can be taken back. */
async function presentRevision({ capture, host }: OperationsContext): Promise<number> {
  if (capture === undefined) {
    throw new RainbowError(
      "NOT_RUNNING",
      "an in-place restore first stores what is there now, so that it can be taken back: start Rainbow with 'rainbow up', or restore to another place",
    );
  }
  return (await host.flush(capture, false)).revision;
}

async function* undeleteItems(context: OperationsContext, request: Parameters<Operations["undelete"]>[0]): Items {
  const { os, clock, host } = context;
  const opened = host.opened();
  const lastRevision = await lastRevisionOf(opened, request.path);
  if (lastRevision === undefined) {
    throw new RainbowError("NOT_FOUND", `no deletion of '${displayOf(request.path)}' is known: 'rainbow deleted' lists what was`, {
      path: displayOf(request.path),
    });
  }
  const { view, asOf } = await viewAt(opened, { kind: "revision", revision: lastRevision });
  try {
    yield { type: "as-of", ...touching(asOf, view, resolvePath(view, request.path).node) };
    for await (const output of undelete({ os, clock, view, path: request.path, target: request.target })) yield output;
  } finally {
    view.close();
  }
}

/** The batch end before the newest deletion of the path, or of a folder that it lay in. */
async function lastRevisionOf({ projection }: OpenedMachine, path: ByteString): Promise<number | undefined> {
  const { head } = await projection.span();
  for (let folder = path; folder !== ""; folder = folder.slice(0, folder.lastIndexOf("/")) as ByteString) {
    for await (const deletion of deletionsBelow(projection, folder, head)) {
      if (deletion.path !== folder) continue;
      const view = await projection.viewAt(deletion.lastRevision);
      try {
        if (hasPath(view, path)) return deletion.lastRevision;
      } finally {
        view.close();
      }
    }
  }
  return undefined;
}

function hasPath(view: View, path: ByteString): boolean {
  try {
    resolvePath(view, path);
    return true;
  } catch (error) {
    if (isRainbowError(error, "NOT_FOUND", "NOT_PROTECTED")) return false;
    throw error;
  }
}
