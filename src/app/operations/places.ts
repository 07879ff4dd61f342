/** A path at an instant, resolved to a node of a view. */
import type { NodeId } from "../../core/index.ts";
import { resolvePath } from "../../projections/index.ts";
import type { View } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { explained } from "./explained.ts";
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
export async function placeAt({ host }: OperationsContext, { path, at }: Question): Promise<PlaceAt> {
  const opened = host.opened();
  const { view, asOf } = await viewAt(opened, at);
  try {
    const { node, path: normalised } = resolvePath(view, path);
    return { view, place: { node, path: normalised }, asOf: touching(asOf, view, node) };
  } catch (error) {
    try {
      throw await explained(error, { path, view, opened, store: host.eventStore });
    } finally {
      view.close();
    }
  }
}
