/** Why an instant does not have a path that is protected now: it was not protected yet, or its first scan had not come to it. */
import type { OpenedMachine } from "../../actors/machine/index.ts";
import { displayOf, isRainbowError, MACHINE_NODE, RainbowError } from "../../core/index.ts";
import type { ByteString, Revision } from "../../core/index.ts";
import { decodeEvent } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { View } from "../../projections/index.ts";

const PAGE_EVENTS = 1000;
const SEARCHED_EVENTS_MAX = 100_000; // A good answer is worth a second, not a minute: beyond it the plain one stands.

export interface Unfound {
  readonly path: ByteString;
  readonly view: View;
  readonly opened: OpenedMachine;
  readonly store: EventStore;
}

/** The error itself, or one that says more. */
export async function explained(error: unknown, unfound: Unfound): Promise<unknown> {
  if (isRainbowError(error, "NOT_PROTECTED")) return (await notYetProtected(unfound)) ?? error;
  if (isRainbowError(error, "NOT_FOUND")) return notYetScanned(error, unfound) ?? error;
  return error;
}

async function notYetProtected({ path, view, opened, store }: Unfound): Promise<RainbowError | undefined> {
  const root = opened.projection.facts().roots.find((each) => contains(each.path, path));
  const first = root === undefined ? undefined : await protectedFrom(store, opened.stream, view.revision, root.path);
  if (root === undefined || first === undefined) return undefined;
  const since = new Date((await opened.projection.timeOf(first)) / 1000).toISOString();
  return new RainbowError(
    "NOT_PROTECTED",
    `'${displayOf(path)}' was not protected yet at r${view.revision}: '${displayOf(root.path)}' is since ${since}, and r${first} is the first instant that has it`,
    { path: displayOf(path), revision: view.revision, first },
  );
}

/** The end of the first batch after a revision that protects the folder. */
async function protectedFrom(store: EventStore, stream: string, after: Revision, root: ByteString): Promise<Revision | undefined> {
  let isFound = false;
  for (let next = after + 1; next <= after + SEARCHED_EVENTS_MAX;) {
    const page = await store.read(stream, { from: next as Revision, maxCount: PAGE_EVENTS, withoutPositions: true });
    for (const stored of page) {
      if (!isFound && stored.type !== "RootProtected") continue;
      const { event, metadata, revision } = decodeEvent(stored);
      isFound ||= event.type === "RootProtected" && event.path === root;
      if (isFound && metadata.batchEnd !== undefined) return revision;
    }
    if (page.length === 0) return undefined;
    next = page.at(-1)!.revision + 1;
  }
  return undefined;
}

/** A name that a first scan has not come to may well have been there. */
function notYetScanned(error: RainbowError, { path, view }: Unfound): RainbowError | undefined {
  const roots = [...view.list(MACHINE_NODE)].filter(({ name }) => contains(name, path));
  const gap = view.gaps().find(({ reason, node }) => reason === "first-scan" && roots.some((root) => root.node === node));
  if (gap === undefined) return undefined;
  const what = `the first scan was under way at r${view.revision} and had not come to it, so it may have been there`;
  return new RainbowError(error.code, `${error.message}; ${what}: 'rainbow log' shows its first version`, error.facts);
}

function contains(root: ByteString, path: ByteString): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}
