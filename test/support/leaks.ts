/**
 * What is kept against what may be kept, once all work is done and nobody reads: every stored chunk is named by a kept tree or by an
 * event of the window, or lies dead between two lives of its own in which a kept snapshot falls; every dead page lives in a kept tree.
 * That blocks are taken exactly where rows and pages are is what check() says.
 */
import type { OpenedMachine } from "../../src/actors/machine/index.ts";
import type { Revision } from "../../src/core/index.ts";
import { ChunkSet } from "../../src/dig/index.ts";
import { controlKey, keyNumber, tableEnd } from "../../src/dig/control-rows.ts";
import { readLife } from "../../src/dig/life.ts";
import type { DigInternals } from "../../src/dig/open.ts";
import { decodePageDeaths } from "../../src/dig/tree-rows.ts";
import { readBatches } from "../../src/events/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { referencesOfTree } from "../../src/projections/index.ts";

/** What is kept and nothing needs, and what was stored in the window and is gone though it was not purged; empty where all is well. */
export async function leaksOf(machine: OpenedMachine, store: EventStore, purged: ReadonlySet<number> = new Set()): Promise<string[]> {
  const dig = machine.dig as unknown as DigInternals;
  const trees = machine.dig.trees.list();
  const inWindow = await namedInWindow(machine, store);
  const named = new ChunkSet();
  for (const { revision } of trees) {
    const reader = machine.dig.trees.open(revision)!;
    await referencesOfTree(reader, (chunk) => named.add(chunk));
    reader.close();
  }
  const problems = [...inWindow.stored]
    .filter((chunk) => dig.chunks.runs.find(chunk) === undefined && !purged.has(chunk))
    .map((chunk) => `chunk ${chunk} was stored in the window and is gone`);
  for (const row of dig.chunks.runs.from(0, Number.MAX_SAFE_INTEGER)) {
    const life = readLife(dig.store.rows, row);
    for (let i = 0; i < row.count; i++) {
      const [chunk, death] = [row.first + i, life.deaths[i]!];
      if (row.isFreed(i) || named.has(chunk) || inWindow.named.has(chunk)) continue;
      const isBetween = trees.some(({ revision, nextChunk }) => chunk < nextChunk && revision < death);
      if (!isBetween) problems.push(`chunk ${chunk} (dead at r${death}) is kept and nothing needs it`);
    }
  }
  for (const { key, content } of dig.store.rows.scan("pageDeaths", controlKey("pageDeaths"), tableEnd("pageDeaths"))) {
    const death = keyNumber(key, 0);
    for (const { start, birth } of decodePageDeaths(death, content)) {
      const isNeeded = trees.some(({ revision }) => birth <= revision && revision < death);
      if (!isNeeded) problems.push(`the page at block ${start} lived from r${birth} to r${death}, where no tree is kept`);
    }
  }
  return problems;
}

/** Chunks that events after the window's start stored or named. An odd agent's extents may come to nothing, and hold nothing then. */
async function namedInWindow(
  { stream, projection }: OpenedMachine,
  store: EventStore,
): Promise<{ readonly named: ReadonlySet<number>; readonly stored: ReadonlySet<number> }> {
  const [named, stored] = [new Set<number>(), new Set<number>()];
  const { headRevision } = await store.info(stream);
  for await (const { events } of readBatches(store, stream, (projection.window() + 1) as Revision, headRevision)) {
    for (const { event } of events) {
      if (event.type === "ExtentsWritten") for (const { chunk } of event.extents) named.add(chunk);
      if (event.type === "ChunksStored") event.chunks.forEach((_, i) => stored.add(event.first + i));
    }
  }
  return { named: new Set([...named, ...stored]), stored };
}
