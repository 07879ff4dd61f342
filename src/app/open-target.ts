/** The object store that a mirror's target names: a directory. */
import { byteStringOfText, RainbowError } from "../core/index.ts";
import type { Os, Random } from "../core/index.ts";
import type { ObjectStore } from "../objects/index.ts";
import { openDirectoryStore } from "../objects/directory/index.ts";

export async function openTarget(target: string, { os, random }: { readonly os: Os; readonly random: Random }): Promise<ObjectStore> {
  if (target.startsWith("/")) return openDirectoryStore({ path: byteStringOfText(target), os, random });
  throw new RainbowError("USAGE", `'${target}' is no place for a mirror: name a directory, absolute`, { target });
}
