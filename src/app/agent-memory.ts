/**
 * Opens the agent's memory. It can be made again by a scan, so a damaged one is set aside: capture then says what it lost as a gap.
 * Its pages are read before LMDB maps them, as LMDB trusts what it reads and would end the process.
 */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { MEMORY_FILE, openMemoryRows } from "../capture/lmdb/index.ts";
import type { RowStore } from "../capture/index.ts";
import { byteStringOfText } from "../core/index.ts";
import { scanPages } from "../dig/lmdb/index.ts";

export function openAgentMemory(directory: string): RowStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, MEMORY_FILE);
  if (existsSync(path) && statSync(path).size > 0 && scanPages(path).length > 0) {
    renameSync(path, `${path}.damaged`); // For people who want to know; the next one takes its place.
    rmSync(`${path}-lock`, { force: true });
  }
  return openMemoryRows(byteStringOfText(directory));
}
