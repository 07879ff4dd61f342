/** Which gaps touch an answer. */
import { MACHINE_NODE } from "../../core/index.ts";
import type { NodeId, Revision, TimeUs } from "../../core/index.ts";
import type { Gap, View } from "../view.ts";
import { decodeGap } from "./control.ts";
import { PREFIX } from "./keys.ts";
import type { State } from "./state.ts";

const DEPTH_MAX = 4096; // Of a path; a damaged tree must not hold us in a circle.

/** Gaps that were named after `revision` but reach back before `timeUs`, as `now` knows them: what was known when one begins is known. */
export function gapsReachingBack(now: State, timeUs: TimeUs, revision: Revision): Gap[] {
  const open = now.controls(PREFIX.openGap);
  const closed = now.controls(PREFIX.closedGap, (revision + 1) as Revision);
  return [...open, ...closed].map(({ value }) => decodeGap(value)).filter((gap) => gap.openedAt > revision && gap.fromUs < timeUs);
}

/** Of the view's gaps those that may hide something about `node`, its ancestors' and, for a directory, its descendants' included. */
export function gapsTouching(view: View, node: NodeId): Gap[] {
  const gaps = view.gaps();
  if (gaps.length === 0) return [];
  const above = new Set(ancestors(view, node));
  return gaps.filter((gap) => gap.node === MACHINE_NODE || above.has(gap.node) || node === MACHINE_NODE || ancestors(view, gap.node).includes(node));
}

/** The node, then its ancestors by its first name, without the machine. */
function ancestors(view: View, node: NodeId): NodeId[] {
  const found: NodeId[] = [];
  for (let at: NodeId | undefined = node; at !== undefined && at !== MACHINE_NODE && found.length < DEPTH_MAX; at = view.node(at)?.names[0]?.parent)
    found.push(at);
  return found;
}
