/** The file of a mirror's broken uploads: a process that comes later goes on with them. It may be lost, and then they are fetched whole. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { decodeBrokenUploads, encodeBrokenUploads } from "../../actors/mirror/index.ts";
import type { BrokenUpload } from "../../actors/mirror/index.ts";
import { writeDurably } from "../durable-file.ts";

export function readBrokenUploads(path: string): BrokenUpload[] {
  return existsSync(path) ? decodeBrokenUploads(readFileSync(path, "utf8")) : [];
}

export function writeBrokenUploads(path: string, uploads: readonly BrokenUpload[]): void {
  if (uploads.length > 0) writeDurably(path, encodeBrokenUploads(uploads));
  else rmSync(path, { force: true });
}
