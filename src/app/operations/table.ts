/** The whole table: reading operations are put together here from views; the others come from their files. */
import type { View } from "../../projections/index.ts";
import { largestFolders } from "../../projections/index.ts";
import { audited } from "./audited.ts";
import { auditing } from "./auditing.ts";
import { caring } from "./caring.ts";
import type { OperationsContext } from "./context.ts";
import { mirroring } from "./mirroring.ts";
import { history } from "./history.ts";
import { resolveInstant } from "./instants.ts";
import { ownerOf } from "./owners.ts";
import { placeAt } from "./places.ts";
import type { Place, Question } from "./places.ts";
import { readable } from "./replayed.ts";
import { proving } from "./proving.ts";
import { protecting } from "./protecting.ts";
import { bytesOfFile, entryOf, find, list } from "./reading.ts";
import { restoring } from "./restoring.ts";
import { retaining } from "./retaining.ts";
import type { AsOfItem, Operations } from "./types.ts";

const SLICE_ITEMS = 256; // Others get their turn after so many.

export function operationsOf(context: OperationsContext): Operations {
  const table = {
    ...protecting(context),
    ...reading(context),
    ...history(context),
    ...restoring(context),
    ...retaining(context),
    ...caring(context),
    ...auditing(context),
    ...proving(context),
    ...mirroring(context),
  };
  return context.replay === undefined ? audited(context, table) : readable(context.replay, table);
}

type Reading = Pick<Operations, "instant" | "stat" | "list" | "find" | "read" | "largest">;

function reading(context: OperationsContext): Reading {
  return {
    instant: async ({ path, at }) => (await resolveInstant((await ownerOf(context, path)).opened, at)).asOf,
    stat: async (request) => {
      const { view, place, asOf } = await placeAt(context, request);
      try {
        return { asOf, entry: entryOf(view, place) };
      } finally {
        view.close();
      }
    },
    list: (request) => answers(context, request, (view, place) => list(view, place, request.depthMax)),
    find: (request) => answers(context, request, (view, place) => find(view, place, request.pattern)),
    read: (request) => answers(context, request, (view, place) => bytesItems(view, place)),
    largest: async ({ path, maxCount, at }) => {
      const { view, place } = await placeAt(context, { path, at });
      try {
        const folders = await largestFolders(view, place.node, place.path, maxCount);
        return folders.map((folder) => ({ path: folder.path, bytes: folder.sizeBytes, nodeCount: folder.fileCount }));
      } finally {
        view.close();
      }
    },
  };
}

async function* answers<Item>(
  context: OperationsContext,
  question: Question,
  items: (view: View, place: Place) => Iterable<Item> | AsyncIterable<Item>,
): AsyncGenerator<AsOfItem | Item> {
  const { view, place, asOf } = await placeAt(context, question);
  try {
    yield { type: "as-of", ...asOf };
    let count = 0;
    for await (const item of items(view, place)) {
      yield item;
      count += 1;
      if (count % SLICE_ITEMS === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    view.close();
  }
}

async function* bytesItems(view: View, place: Place): AsyncGenerator<{ readonly type: "bytes"; readonly bytes: Buffer }> {
  for await (const bytes of bytesOfFile(view, place)) yield { type: "bytes", bytes };
}
