/** Where a node lies now, for people. */
import type { ByteString, NodeId } from "../../core/index.ts";
import type { StateView } from "../dig-tree/index.ts";
import { pathOf } from "../history/index.ts";

/** By its first name; that alone where a folder above it is gone. */
export function placeOfNode(view: StateView, node: NodeId): ByteString {
  const name = view.node(node)?.names[0];
  if (name === undefined) return "" as ByteString;
  return (pathOf(view.state, name.parent, name.name) ?? name.name) as ByteString;
}
