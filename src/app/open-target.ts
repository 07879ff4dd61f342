/** The object store that a mirror's target names: a directory, or a bucket. */
import { chmodSync, mkdirSync } from "node:fs";
import { byteStringOfText, RainbowError } from "../core/index.ts";
import type { Os, Random } from "../core/index.ts";
import type { ObjectStore } from "../objects/index.ts";
import { openDirectoryStore } from "../objects/directory/index.ts";
import { openS3Store } from "../objects/s3/index.ts";
import { parseTarget } from "./mirroring/index.ts";
import type { MirrorSettings } from "./operations/index.ts";

const DIRECTORY_MODE = 0o755; // A mirror is there to be read by others.

export interface TargetParts {
  readonly os: Os;
  readonly random: Random;
  /** Makes what is missing. */
  readonly create: boolean;
  readonly settings: Pick<MirrorSettings, "versioning" | "endpoint" | "awsProfile">;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function openTarget(target: string, { os, random, create, settings, environment }: TargetParts): Promise<ObjectStore> {
  const parsed = parseTarget(target);
  if (parsed.kind === "directory") {
    if (create) makeDirectory(parsed.path);
    return openDirectoryStore({ path: byteStringOfText(parsed.path), os, random });
  }
  const { versioning, endpoint, awsProfile } = settings;
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  return openS3Store({
    bucket: parsed.bucket,
    prefix: parsed.prefix,
    create,
    versioning: create && versioning === true ? true : undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(awsProfile === undefined ? {} : { profile: awsProfile }),
    ...(region === undefined ? {} : { region }),
  });
}

/** The last name of it alone: where more is missing, a disk may not be mounted. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
    chmodSync(path, DIRECTORY_MODE);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return;
    const why = error instanceof Error ? error.message : String(error);
    throw new RainbowError("TARGET_REFUSED", `the directory ${path} cannot be made for the mirror: ${why}`, { path }, error);
  }
}
