/** Restore and undelete: an instant's view handed to the restore actor, with the notes a person needs to take it back. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { restore, undelete } from "../../actors/restore/index.ts";
import type { RestoreOutput } from "../../actors/restore/index.ts";
import type { OpenedMachine } from "../../actors/machine/index.ts";
import { byteStringOfText, bytesOf, displayOf, isRainbowError, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { deletionsBelow, resolvePath } from "../../projections/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { touching, viewAt } from "./instants.ts";
import { isOfMirror, ownerOf } from "./owners.ts";
import { placeAt } from "./places.ts";
import type { AsOfItem, Operations, ProgressItem, RestoreItem, RestoreRequest, RestoreSummary } from "./types.ts";

type Items = AsyncGenerator<AsOfItem | ProgressItem | RestoreItem | RestoreSummary>;

export function restoring(context: OperationsContext): Pick<Operations, "restore" | "undelete"> {
  return {
    restore: (request, signal) => restoreItems(context, request, signal),
    undelete: (request, signal) => undeleteItems(context, request, signal),
  };
}

async function* restoreItems(context: OperationsContext, request: RestoreRequest, signal?: AbortSignal): Items {
  const { os, clock } = context;
  if (request.inPlace && isOfMirror(request.path)) throw noPlace(request.path);
  const undoRevision = request.inPlace ? await presentRevision(context) : undefined;
  if (request.delete) refuseBlindDeletion(context, request.target);
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
      sync: syncFilesystem,
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const output of outputs) yield withUndo(output, undoRevision);
  } finally {
    view.close();
  }
}

/** Files of a mirror have no place on this machine that they could go back to. */
function noPlace(path: ByteString): RainbowError {
  return new RainbowError("USAGE", `'${displayOf(path)}' is a mirror's, and has no place of its own here: name one with --to`, { path: displayOf(path) });
}

/** Where nothing runs nobody knows what was left out of a protected folder: "not in the backup" must not mean "delete it". */
function refuseBlindDeletion({ capture, host }: OperationsContext, target: ByteString): void {
  if (capture !== undefined) return;
  const root = host
    .opened()
    .projection.facts()
    .roots.find(({ path }) => target === path || target.startsWith(`${path}/`) || path.startsWith(`${target}/`));
  if (root === undefined) return;
  throw new RainbowError(
    "NOT_RUNNING",
    `'${displayOf(target)}' is protected, and --delete must know what is left out there: start Rainbow with 'rainbow up' first`,
    {
      target: displayOf(target),
    },
  );
}

/** Makes the target's filesystem durable, so that a restore that reports success has it all on the disk. */
async function syncFilesystem(path: ByteString): Promise<void> {
  const name = bytesOf(path).toString();
  const isText = byteStringOfText(name) === path;
  await promisify(execFile)("sync", isText ? ["-f", "--", name] : []); // A program's words are text; a name that is none is synced with all else.
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

async function* undeleteItems(context: OperationsContext, request: Parameters<Operations["undelete"]>[0], signal?: AbortSignal): Items {
  const { os, clock } = context;
  const owner = await ownerOf(context, request.path);
  const { opened, path } = owner;
  if (isOfMirror(request.path) && request.target === undefined) throw noPlace(request.path);
  const lastRevision = await lastRevisionOf(opened, path);
  if (lastRevision === undefined) {
    throw new RainbowError("NOT_FOUND", `no deletion of '${displayOf(request.path)}' is known: 'rainbow deleted' lists what was`, {
      path: displayOf(request.path),
    });
  }
  const found = await viewAt(opened, { kind: "revision", revision: lastRevision });
  const view = owner.viewOf(found.view);
  try {
    yield { type: "as-of", ...touching(found.asOf, view, resolvePath(view, path).node) };
    for await (const output of undelete({
      os,
      clock,
      view,
      path,
      target: request.target,
      sync: syncFilesystem,
      ...(signal === undefined ? {} : { signal }),
    }))
      yield output;
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
