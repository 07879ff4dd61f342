/** Opens a bucket with the client library of AWS, which is loaded only then: it takes 100 ms. */
import { readFileSync } from "node:fs";
import type { S3Client } from "@aws-sdk/client-s3";
import { RainbowError } from "../../core/index.ts";
import type { ObjectStore } from "../object-store.ts";
import { Bucket } from "./bucket.ts";
import type { Sdk } from "./bucket.ts";
import { failureOf, statusOf } from "./failures.ts";
import { S3Store } from "./store.ts";

const REQUEST_ATTEMPTS = 4; // By the client library, with growing pauses; the mirror tries again later.
const SOCKETS_MAX = 64;
const CONNECTION_TIMEOUT_MS = 10_000;
/** Without a byte from the server; it copies parts before it answers. */
const SILENCE_MS = 120_000;
const REGION_DEFAULT = "us-east-1"; // What servers other than Amazon's expect.
const PREFIX_BYTES_MAX = 512;

export interface S3StoreOptions {
  readonly bucket: string;
  /** Everything of this store lies below it, as "mirror/debian"; "" for the whole bucket. */
  readonly prefix: string;
  /** Makes the bucket where there is none. A mirror that lost its bucket must not begin an empty one by itself. */
  readonly create: boolean;
  /** Turns the versioning of the bucket on; undefined: as it is. */
  readonly versioning: true | undefined;
  /** Over what the environment and ~/.aws say. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Of ~/.aws; otherwise AWS_PROFILE, or "default". */
  readonly profile?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** A file of the certificates that may sign the server's, instead of those that Node trusts. */
  readonly caBundle?: string;
  /** Without a byte from the server a request has failed after this time. */
  readonly silenceMs?: number;
}

/** Credentials, region and endpoint are those of every AWS tool: the environment, ~/.aws/config and ~/.aws/credentials. */
export async function openS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  checkPrefix(options.prefix);
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    region: options.region ?? (await regionOf(sdk, options.profile)),
    forcePathStyle: true, // A server without wildcard names in DNS needs it, and names with dots under TLS.
    // Newer checksums than MD5 are not known to every server; the signature covers the content as it is sent.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false, // With it each part would have a connection of its own, which trusts what Node trusts.
    maxAttempts: REQUEST_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      socketTimeout: options.silenceMs ?? SILENCE_MS,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX, ...trustOf(options.caBundle) },
    },
  });
  try {
    await prepareBucket(sdk, client, options);
    const prefix = options.prefix === "" ? "" : `${options.prefix}/`;
    const keepsVersions = await hasVersions(sdk, client, options);
    return new S3Store(new Bucket({ sdk, client, name: options.bucket, prefix, keepsVersions }));
  } catch (error) {
    client.destroy();
    throw failureOf(error, `opening s3://${options.bucket}`);
  }
}

function trustOf(caBundle: string | undefined): { ca?: Buffer } {
  if (caBundle === undefined) return {};
  let why: string;
  try {
    const ca = readFileSync(caBundle);
    if (ca.includes("-----BEGIN CERTIFICATE-----")) return { ca };
    why = "it holds no certificate";
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  throw new RainbowError("OBJECTS_REFUSED", `the file ${caBundle} that AWS_CA_BUNDLE or the profile's ca_bundle names cannot be used: ${why}`, { caBundle });
}

function checkPrefix(prefix: string): void {
  const isClean = prefix === "" || (!/(^|\/)\.{0,2}(\/|$)/.test(prefix) && !/[\x00-\x1f\x7f\ufffd]/.test(prefix));
  if (isClean && Buffer.byteLength(prefix) <= PREFIX_BYTES_MAX) return;
  throw new RainbowError("USAGE", `the prefix '${prefix}' is no path of names without dots alone, of at most ${PREFIX_BYTES_MAX} bytes`, { prefix });
}

/** AWS_REGION, or the profile's. */
async function regionOf(sdk: Sdk, profile: string | undefined): Promise<string> {
  const probe = new sdk.S3Client(profile === undefined ? {} : { profile });
  try {
    return await probe.config.region();
  } catch {
    return REGION_DEFAULT; // It throws where nothing names one.
  } finally {
    probe.destroy();
  }
}

async function prepareBucket(sdk: Sdk, client: S3Client, { bucket, create, versioning }: S3StoreOptions): Promise<void> {
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    if (!create) throw new RainbowError("OBJECTS_REFUSED", `the bucket ${bucket} does not exist`, { bucket });
    await client.send(new sdk.CreateBucketCommand({ Bucket: bucket, ...(await placeConstraint(client)) }));
  }
  if (versioning === undefined) return;
  await client.send(new sdk.PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } }));
}

/** Amazon wants the region of a new bucket named, but for its first one. Other servers know it by themselves. */
async function placeConstraint(client: S3Client): Promise<{ CreateBucketConfiguration?: { LocationConstraint: never } }> {
  const region = await client.config.region();
  const isAmazon = client.config.endpoint === undefined;
  return isAmazon && region !== REGION_DEFAULT ? { CreateBucketConfiguration: { LocationConstraint: region as never } } : {};
}

/** A server that knows no versions says so in ways of its own: then there are none. */
async function hasVersions(sdk: Sdk, client: S3Client, { bucket, versioning }: S3StoreOptions): Promise<boolean> {
  try {
    return (await client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket }))).Status === "Enabled";
  } catch (error) {
    const status = statusOf(error);
    if (versioning === undefined && status !== undefined && [400, 403, 404, 405, 501].includes(status)) return false;
    throw error;
  }
}
