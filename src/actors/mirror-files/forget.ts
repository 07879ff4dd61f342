/** Single entries leave the file list, so that the next sync fetches them anew; what is stored of them stays until then. */
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString, Revision } from "../../core/index.ts";
import type { MirrorFiles } from "../../projections/index.ts";

/** A directory takes along what lies below it. NOT_FOUND, and nothing is forgotten, where the list does not have one of them. */
export async function forgetPaths(files: MirrorFiles, paths: readonly ByteString[]): Promise<Revision> {
  const list = await files.list();
  try {
    const missing = paths.find((path) => list.entry(path) === undefined);
    if (missing !== undefined)
      throw new RainbowError("NOT_FOUND", `the mirror has no '${displayOf(missing)}': name a path below its top, as 'rainbow ls mirror:NAME' shows it`, {
        path: displayOf(missing),
      });
  } finally {
    list.close();
  }
  return await files.record(paths.map((path) => ({ type: "FileWithdrawn", path, reason: "forgotten" })));
}
