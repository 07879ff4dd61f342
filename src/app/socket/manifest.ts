/** How each operation crosses the socket: one answer, or a stream of items. */
import type { Operations } from "../operations/index.ts";

export type Shape = "promise" | "stream";
export type Manifest = Readonly<Record<string, Shape>>;

export const OPERATIONS_MANIFEST = {
  status: "promise",
  addRoot: "promise",
  removeRoot: "promise",
  roots: "promise",
  flush: "promise",
  pause: "promise",
  resume: "promise",
  instant: "promise",
  stat: "promise",
  list: "stream",
  find: "stream",
  read: "stream",
  log: "stream",
  diff: "stream",
  deleted: "stream",
  restore: "stream",
  undelete: "stream",
  snapshot: "promise",
  snapshots: "promise",
  dropSnapshot: "promise",
  policy: "promise",
  setPolicy: "promise",
  retention: "promise",
  rebase: "stream",
  purge: "stream",
  leftOut: "promise",
  why: "promise",
  check: "stream",
  repair: "stream",
  replay: "stream",
  events: "stream",
  audit: "stream",
  verify: "stream",
  heads: "promise",
  largest: "promise",
} as const satisfies Record<keyof Operations, Shape>;
