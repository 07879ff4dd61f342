/** A path at an instant, resolved to a node of a view: of this machine, or, by `mirror:NAME/PATH`, of a mirror. */
import { displayOf, isRainbowError, RainbowError } from "../../core/index.ts";
import type { NodeId } from "../../core/index.ts";
import { resolvePath } from "../../projections/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { explained } from "./explained.ts";
import { ownerOf, shownPath } from "./owners.ts";
import type { Owner } from "./owners.ts";
import { touching, viewAt } from "./instants.ts";
import type { ByteString } from "./imports.ts";
import type { AsOf, InstantWords } from "./types.ts";

export interface Question {
  readonly path: ByteString;
  readonly at: InstantWords;
}

export interface Place {
  readonly path: ByteString;
  readonly node: NodeId;
}

export interface PlaceAt {
  readonly view: View;
  readonly place: Place;
  readonly asOf: AsOf;
}

/** The view is the caller's to close. NOT_PROTECTED and NOT_FOUND name what was not there. */
export async function placeAt(context: OperationsContext, { path, at }: Question): Promise<PlaceAt> {
  const owner = await ownerOf(context, path);
  const { opened } = owner;
  const found = await viewAt(opened, at);
  const view = owner.viewOf(found.view);
  try {
    const { node, path: normalised } = resolvePath(view, owner.path);
    return { view, place: { node, path: shownPath(owner, normalised) }, asOf: touching(found.asOf, view, node) };
  } catch (error) {
    try {
      if (owner.prefix !== "") throw ofMirror(error, owner, view);
      throw await explained(error, { path, view, opened, store: context.host.eventStore });
    } finally {
      view.close();
    }
  }
}

/** A mirror protects nothing: before its first sync it just has nothing. */
function ofMirror(error: unknown, { prefix, path }: Owner, view: View): unknown {
  if (!isRainbowError(error, "NOT_PROTECTED")) return error;
  const facts = { path: displayOf(path), revision: view.revision };
  return new RainbowError("NOT_FOUND", `${prefix} had nothing yet at r${view.revision}: 'rainbow mirror sync' fetches it`, facts);
}
