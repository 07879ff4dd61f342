/**
 * DIG: payload chunks and copy-on-write trees of one machine in one data file, with a control file beside it (FORMAT.md).
 * Promises: what resolved is durable; a live block is never overwritten; every byte is verified when it is read; nothing that a
 * registered tree, the window or an open reader names is freed. The control file can be rebuilt from data file and events.
 * Not for: deciding what to keep (retention), knowing what keys and values mean (projections), several writers of one directory.
 */
export { ChunkSet } from "./chunk-set.ts";
export type { ControlEntry, ControlFile, ControlWrite, OpenControl } from "./control-file.ts";
export type {
  ChunkChange,
  ChunkStore,
  Dig,
  DigUsage,
  EventsHold,
  FreeBarrier,
  Freeing,
  Problem,
  PurgePlan,
  ReaderHold,
  ReferencesOfTree,
  SealedTree,
  TreeBuild,
  TreeInfo,
  TreeReader,
  TreeStore,
} from "./dig.ts";
export { CONTROL_FILE, DATA_FILE, openDig } from "./open.ts";
export type { OpenDigOptions } from "./open.ts";
export { rebuildControl } from "./rebuild.ts";
export type { RebuildOptions, RebuildSource, Rebuilt } from "./rebuild.ts";
