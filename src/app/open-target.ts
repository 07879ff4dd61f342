/** The object store that a mirror's target names: a directory, or a bucket. */
import { chmodSync, mkdirSync } from "node:fs";
import { byteStringOfText, RainbowError } from "../core/index.ts";
import type { ByteString, Os, Random } from "../core/index.ts";
import type { ObjectStore } from "../objects/index.ts";
import { openDirectoryStore } from "../objects/directory/index.ts";
import { openS3Store, profileSettings } from "../objects/s3/index.ts";
import { parseTarget } from "./mirroring/index.ts";
import type { MirrorSettings } from "./operations/index.ts";

const DIRECTORY_MODE = 0o755; // A mirror is there to be read by others.

export interface TargetParts {
  readonly os: Os;
  readonly random: Random;
  /** Makes what is missing. */
  readonly create: boolean;
  readonly settings: Pick<MirrorSettings, "versioning" | "endpoint" | "awsProfile" | "targetIdentity">;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function openTarget(target: string, { os, random, create, settings, environment }: TargetParts): Promise<ObjectStore> {
  const parsed = parseTarget(target);
  if (parsed.kind === "directory") {
    if (create) makeDirectory(parsed.path);
    const store = openDirectoryStore({ path: byteStringOfText(parsed.path), os, random });
    if (settings.targetIdentity === undefined || settings.targetIdentity === targetIdentity(target, os)) return store;
    await store.close();
    const what = "is another directory than the one that the mirror was made in: is its disk mounted?";
    throw new RainbowError("TARGET_REFUSED", `${target} ${what} 'rainbow mirror set NAME --accept-target' takes the one that is there`, { target });
  }
  const { versioning, endpoint, awsProfile } = settings;
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  const found = profileSettings(environment, awsProfile);
  // Without a profile of its own the client library finds the server by itself.
  const isServerNamed = environment["AWS_ENDPOINT_URL_S3"] !== undefined || environment["AWS_ENDPOINT_URL"] !== undefined;
  const server = endpoint ?? (awsProfile === undefined || isServerNamed ? undefined : found.endpoint);
  const caBundle = environment["AWS_CA_BUNDLE"] || found.caBundle;
  return openS3Store({
    bucket: parsed.bucket,
    prefix: parsed.prefix,
    create,
    versioning: create && versioning === true ? true : undefined,
    ...(server === undefined ? {} : { endpoint: server }),
    ...(awsProfile === undefined ? {} : { profile: awsProfile }),
    ...(region === undefined ? {} : { region }),
    ...(caBundle === undefined ? {} : { caBundle }),
  });
}

/** Which directory it is: its filesystem, where that has a name that stays, and its inode. Undefined for a bucket. */
export function targetIdentity(target: string, os: Os): string | undefined {
  if (parseTarget(target).kind !== "directory") return undefined;
  const path = byteStringOfText(target);
  const { uuid } = os.filesystem(path);
  return `${uuid.startsWith("fsid:") ? "" : uuid}:${os.lstat(`${path}/.` as ByteString).inode}`;
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
