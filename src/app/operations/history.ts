/** What happened to a path over time: versions, differences, deletions. */
import { displayOf, isRainbowError } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import { deletionsBelow, diffTrees, logOfPath } from "../../projections/index.ts";
import type { Difference, NodeRecord } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { resolveInstant } from "./instants.ts";
import { ownerOf, shownPath } from "./owners.ts";
import { placeAt } from "./places.ts";
import type { PlaceAt } from "./places.ts";
import { bytesOfFile, entryOf, purgedFact } from "./reading.ts";
import { textOf, unifiedDiff } from "./text-diff.ts";
import type { TextVersion } from "./text-diff.ts";
import type { AsOfItem, DeletedItem, DiffItem, Entry, Operations, VersionItem } from "./types.ts";

const SLICE_ITEMS = 64; // Differences that are worked out before others get their turn.

export function history(context: OperationsContext): Pick<Operations, "log" | "diff" | "deleted"> {
  return {
    log: (request) => versions(context, request),
    diff: (request) => differences(context, request),
    deleted: (request) => deletions(context, request),
  };
}

async function* versions(context: OperationsContext, { path, at, maxCount }: Parameters<Operations["log"]>[0]): AsyncGenerator<VersionItem> {
  const owner = await ownerOf(context, path);
  const { opened } = owner;
  const { revision } = await resolveInstant(opened, at);
  let left = maxCount;
  for await (const version of logOfPath(opened.projection, owner.path, revision)) {
    const { timeUs, sizeBytes, changes, unsettled, origins } = version;
    const purged = purgedFact(opened.projection.purges().of(version.node, version.revision));
    yield { type: "version", revision: version.revision, timeUs, path: shownPath(owner, version.path), sizeBytes, changes, unsettled, purged, origins };
    left -= 1;
    if (left <= 0) return;
  }
}

async function* deletions(context: OperationsContext, { path, maxCount }: Parameters<Operations["deleted"]>[0]): AsyncGenerator<DeletedItem> {
  const owner = await ownerOf(context, path ?? ("" as ByteString));
  const { opened } = owner;
  const { revision } = await resolveInstant(opened, { kind: "now" });
  let left = maxCount;
  for await (const { path: gone, node, kind, sizeBytes, timeUs, lastRevision } of deletionsBelow(opened.projection, owner.path, revision)) {
    const purged = purgedFact(opened.projection.purges().of(node, lastRevision));
    yield { type: "deleted", path: shownPath(owner, gone), kind, sizeBytes, timeUs, lastRevision, purged };
    left -= 1;
    if (left <= 0) return;
  }
}

async function* differences(context: OperationsContext, request: Parameters<Operations["diff"]>[0]): AsyncGenerator<AsOfItem | DiffItem> {
  const before = await placeAt(context, request);
  try {
    const after = await placeAt(context, { path: request.otherPath, at: request.otherAt });
    try {
      yield { type: "as-of", ...before.asOf };
      yield { type: "as-of", ...after.asOf };
      let count = 0;
      for (const difference of diffTrees(before.view, before.place.node, after.view, after.place.node)) {
        yield await itemOf(before, after, difference, request.text);
        count += 1;
        if (count % SLICE_ITEMS === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      after.view.close();
    }
  } finally {
    before.view.close();
  }
}

async function itemOf(before: PlaceAt, after: PlaceAt, difference: Difference, isTextWanted: boolean): Promise<DiffItem> {
  const { what, path, fromPath } = difference;
  const pathBefore = below(before.place.path, fromPath ?? path);
  const pathAfter = below(after.place.path, path);
  const entryBefore = entryOn(before, pathBefore, difference.before);
  const entryAfter = entryOn(after, pathAfter, difference.after);
  const text = isTextWanted && (what === "changed" || what === "renamed") ? await textOfChange(before, after, entryBefore, entryAfter) : undefined;
  return {
    type: "difference",
    what,
    path: what === "removed" ? pathBefore : pathAfter,
    ...(what === "renamed" ? { fromPath: pathBefore } : {}),
    ...(entryBefore === undefined ? {} : { before: entryBefore }),
    ...(entryAfter === undefined ? {} : { after: entryAfter }),
    ...(text === undefined ? {} : { text }),
  };
}

function entryOn({ view }: PlaceAt, path: ByteString, record: NodeRecord | undefined): Entry | undefined {
  return record === undefined ? undefined : entryOf(view, { path, node: record.node });
}

async function textOfChange(before: PlaceAt, after: PlaceAt, from: Entry | undefined, to: Entry | undefined): Promise<string | undefined> {
  if (from?.kind !== "file" || to?.kind !== "file" || from.purged !== null || to.purged !== null) return undefined;
  const textBefore = await textThere(before, from);
  const textAfter = await textThere(after, to);
  if (textBefore === undefined || textAfter === undefined || textBefore === textAfter) return undefined;
  const versionOf = (path: ByteString, text: string, { asOf }: PlaceAt): TextVersion => ({ name: displayOf(path), label: `r${asOf.revision}`, text });
  return unifiedDiff(versionOf(from.path, textBefore, before), versionOf(to.path, textAfter, after));
}

/** undefined also where the target of a mirror no longer has that content: that it differs is known all the same. */
async function textThere({ view }: PlaceAt, { sizeBytes, path, node }: Entry): Promise<string | undefined> {
  try {
    return await textOf(sizeBytes, () => bytesOfFile(view, { path, node: node as NodeId }));
  } catch (error) {
    if (isRainbowError(error, "OBJECT_CHANGED")) return undefined;
    throw error;
  }
}

function below(place: ByteString, path: ByteString): ByteString {
  if (path === "") return place;
  return (place === "/" ? `/${path}` : `${place}/${path}`) as ByteString;
}
