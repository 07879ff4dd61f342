/**
 * What the agent remembers of the protected files: entries of directories as listing records, nodes by inode, block hashes, open
 * passes and gaps. Guarantee: memory advances exactly once per batch, with the host. Not for the content of files.
 */
export { Directories, idText } from "./directories.ts";
export type { Entry } from "./directories.ts";
export { Memory } from "./memory.ts";
export type { BatchName, Row } from "./memory.ts";
export { below, Nodes } from "./nodes.ts";
export type { Closed, Location, Name } from "./nodes.ts";
export {
  attributesOf,
  birthOf,
  changeTimeOf,
  denormalise,
  inodeOf,
  isSameAttributes,
  isSameContentStat,
  isSameNode,
  isSameRecord,
  isSameStat,
  kindOf,
  linkCountOf,
  listedRecord,
  MARK,
  markOf,
  NO_BIRTH,
  normalise,
  recordOf,
  sizeOf,
  statOfRecord,
  unreadRecord,
  withMark,
} from "./records.ts";
export type { RowKey, RowStore, RowWrite } from "./row-store.ts";
export { BytesRow, JsonRow } from "./rows.ts";
export { LEFT_OUT, Segment } from "./segment.ts";
