/** What a mirror in a bucket looks like to other programs, and how the store meets a server that fails. On a real S3 server. */
// Time limit: 900 s
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HeadObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { S3StoreOptions } from "../../src/objects/s3/index.ts";
import { startFaultyProxy } from "../support/faulty-proxy.ts";
import type { Fault } from "../support/faulty-proxy.ts";
import { startS3Server } from "../support/s3-server.ts";
import type { S3Server } from "../support/s3-server.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { contentOf, directory, file, key, listed, metadata, numbered, rejects, symlink } from "./object-store-contract.ts";

const MIB = 2 ** 20;
const server = await startS3Server();
if (typeof server === "string") {
  const cases = suite("object store: a bucket");
  cases("a mirror in a bucket", () => skipped("object store: a bucket", server));
  cases.run();
} else await withServer(server);

async function withServer(s3: S3Server): Promise<void> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({ endpoint: s3.endpoint, credentials: s3.credentials, region: "us-east-1", forcePathStyle: true });
  let buckets = 0;
  const newBucket = (): string => `bucket-${++buckets}`;
  const open = (options: Partial<S3StoreOptions> = {}): Promise<ObjectStore> => {
    const { endpoint, credentials } = s3;
    return openS3Store({ bucket: newBucket(), prefix: "", create: true, versioning: undefined, endpoint, credentials, ...options });
  };
  const ground: Ground = { client, sdk, open, newBucket };
  const cases = suite("object store: a bucket");
  lookCases(cases, ground);
  extentCases(cases, ground);
  faultCases(cases, s3, ground);
  deletionCases(cases, s3, ground);
  refusalCases(cases, ground);
  settingCases(cases, { s3, newBucket });
  cases.after(async () => {
    client.destroy();
    await s3.stop();
  });
  cases.run();
}

type Cases = ReturnType<typeof suite>;
interface Ground {
  readonly client: S3Client;
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly open: (options?: Partial<S3StoreOptions>) => Promise<ObjectStore>;
  readonly newBucket: () => string;
}

function lookCases(cases: Cases, { client, sdk, open, newBucket }: Ground): void {
  const head = (Bucket: string, Key: string): Promise<HeadObjectCommandOutput> => client.send(new sdk.HeadObjectCommand({ Bucket, Key }));
  const names = async (Bucket: string): Promise<string[]> =>
    ((await client.send(new sdk.ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key!);

  cases("each path is a key, with mode, time, target and digest as metadata and a content type by its name", async () => {
    const bucket = newBucket();
    const store = await open({ bucket, prefix: "debian" });
    const digest = { name: "xxh128", bytes: Buffer.from("0123456789abcdef", "hex") };
    await store.put([directory("pool", 0o2755), file("pool/über 1%3a2.deb", "deb", { digest }), symlink("latest", "pool/über")]);
    await store.put([file("old.html", "x", { mtimeSeconds: -2, mtimeNanos: 500_000_000 })]);
    assert.equal(await names(bucket), ["debian/latest", "debian/old.html", "debian/pool/", "debian/pool/über 1%3a2.deb"]);
    const deb = await head(bucket, "debian/pool/über 1%3a2.deb");
    assert.equal(deb.Metadata, { mode: "100644", mtime: "1700000000.123456789", digest: "xxh128:0123456789abcdef" });
    assert.is(deb.ContentType, "application/vnd.debian.binary-package");
    const pool = await head(bucket, "debian/pool/");
    assert.equal([pool.Metadata?.["mode"], pool.ContentLength, pool.ContentType], ["042755", 0, "application/x-directory"]);
    const latest = await head(bucket, "debian/latest");
    assert.equal([latest.Metadata?.["mode"], latest.Metadata?.["target"]], ["120777", "pool/%C3%BCber"]);
    assert.is((await contentOf(store, "latest")).toString(), "pool/über");
    const old = await head(bucket, "debian/old.html");
    assert.equal([old.Metadata?.["mtime"], old.ContentType], ["-1.500000000", "text/html; charset=utf-8"]);
    await store.close();
  });

  cases("paths that cannot be keys lie below .rainbow, and are found again, listed and deleted", async () => {
    const bucket = newBucket();
    const store = await open({ bucket });
    const odd = ["a/caf\xe9.txt", "a/new\nline"] as ByteString[];
    const long = `a/${"x".repeat(200)}/`.repeat(6) + "end";
    await store.put([...odd.map((name) => ({ ...file("", "odd"), key: name })), file(long, "long"), file("a/plain", "plain"), directory("a")]);
    const stored = await names(bucket);
    assert.equal(
      stored.slice(0, 2).map((name) => name.replace(/[0-9a-f]{64}/, "HASH")),
      [".rainbow/long/HASH", ".rainbow/long/HASH.path"],
    );
    assert.equal(stored.slice(2), [".rainbow/names/a/caf%E9.txt", ".rainbow/names/a/new%0Aline", "a/", "a/plain"]);
    const found = (await listed(store)).map((object) => object.key);
    assert.equal(found, ["a", odd[0], odd[1], "a/plain", long]);
    assert.equal(
      (await listed(store, "a")).map((object) => object.key),
      [odd[0], odd[1], "a/plain", long],
    );
    assert.is((await contentOf(store, long)).toString(), "long");
    await store.delete([key(long), ...odd].map((name) => ({ key: name, kind: "file" as const })));
    assert.equal(await names(bucket), ["a/", "a/plain"]);
    await store.close();
  });
}

function extentCases(cases: Cases, { open, newBucket }: Ground): void {
  cases("other objects of a bucket are left alone, and are no part of a store below a prefix", async () => {
    const bucket = newBucket();
    const whole = await open({ bucket });
    await whole.put([file("mirror2/f", "other"), file("mirror", "other")]);
    const store = await open({ bucket, prefix: "mirror" });
    const other = await whole.begin({ key: key("mirror2/big"), metadata: metadata(), sizeBytes: 20 * MIB });
    assert.equal(await listed(store), []);
    assert.is(await store.abortUnfinished(new Set()), 0);
    await other.abort();
    for (const each of [whole, store]) await each.close();
  });

  cases("with versions, what was deleted or replaced is read and copied by its place", async () => {
    const store = await open({ versioning: true });
    const [first] = await store.put([file("f", "first")]);
    await store.put([file("f", "second")]);
    await store.delete([{ key: key("f"), kind: "file" }]);
    assert.is(await store.head({ key: key("f"), kind: "file" }), undefined);
    assert.is((await contentOf(store, "f", { place: first! })).toString(), "first");
    await store.copy(key("f"), first!, key("g"), metadata());
    assert.is((await contentOf(store, "g")).toString(), "first");
    const upload = await store.begin({ key: key("h"), metadata: metadata(), sizeBytes: 3 });
    await upload.copyFrom(key("f"), first!, { offsetBytes: 1, lengthBytes: 3 });
    await upload.complete(metadata());
    assert.is((await contentOf(store, "h")).toString(), "irs");
    await rejects(contentOf(store, "f", { place: { version: "none", etag: "x" } }), "OBJECT_CHANGED", "OBJECTS_REFUSED");
    await store.close();
  });

  cases("an upload holds a few parts in memory, however big it is, and knows its size beforehand or not", async () => {
    const store = await open();
    const piece = numbered(MIB);
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    for (const sizeBytes of [200 * MIB, 0]) {
      const upload = await store.begin({ key: key("big"), metadata: metadata(), sizeBytes });
      for (let i = 0; i < 200; i++) {
        await upload.write(piece);
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
      }
      await upload.complete(metadata());
      assert.is((await store.head({ key: key("big"), kind: "file" }))?.sizeBytes, 200 * MIB);
    }
    // Three parts of 8 MiB; the rest is what the collector has not come to yet.
    assert.ok(peak < 120 * MIB, `${Math.round(peak / MIB)} MiB in buffers`);
    await store.close();
  });
}

interface Spoilt {
  readonly store: ObjectStore;
  /** What went through the proxy. */
  readonly asked: string[];
  readonly spoil: (fault: (line: string) => Fault | undefined) => void;
  readonly stop: () => Promise<void>;
}

async function storeBehindProxy(s3: S3Server, { open, newBucket }: Ground): Promise<Spoilt> {
  const proxy = await startFaultyProxy(s3.endpoint);
  const store = await open({ bucket: newBucket(), endpoint: proxy.endpoint });
  const asked: string[] = [];
  const spoil = (fault: (line: string) => Fault | undefined): void => {
    proxy.fault = (method, url) => (asked.push(`${method} ${url}`), fault(`${method} ${url}`));
  };
  spoil(() => undefined);
  return { store, asked, spoil, stop: () => store.close().then(() => proxy.stop()) };
}

function faultCases(cases: Cases, s3: S3Server, ground: Ground): void {
  cases("a server that is busy for a moment is asked again; one that stays so is unreachable, and nothing is half there", async () => {
    const { store, spoil, stop } = await storeBehindProxy(s3, ground);
    let left = 2;
    const busy: Fault = { kind: "status", status: 503, body: "<Error><Code>SlowDown</Code><Message>later</Message></Error>" };
    spoil(() => (left-- > 0 ? busy : undefined));
    await store.put([file("f", "content")]);
    spoil((line) => (line.startsWith("PUT") ? busy : undefined));
    await rejects(store.put([file("f", "other")]), "OBJECTS_UNREACHABLE");
    spoil((line) => (line.startsWith("PUT") ? { kind: "refuse" } : undefined));
    await rejects(store.put([file("f", "other")]), "OBJECTS_UNREACHABLE");
    spoil(() => undefined);
    assert.is((await contentOf(store, "f")).toString(), "content");
    await stop();
  });

  cases("a part that cannot be stored ends the upload with its error, and what was there stays", async () => {
    const { store, spoil, stop } = await storeBehindProxy(s3, ground);
    await store.put([file("f", "before")]);
    const upload = await store.begin({ key: key("f"), metadata: metadata(), sizeBytes: 30 * MIB });
    spoil((line) => (line.includes("partNumber=2") ? { kind: "refuse" } : undefined));
    const writing = async (): Promise<unknown> => {
      for (let i = 0; i < 30; i++) await upload.write(numbered(MIB));
      return upload.complete(metadata());
    };
    await rejects(writing(), "OBJECTS_UNREACHABLE");
    spoil(() => undefined);
    await upload.abort();
    assert.is((await contentOf(store, "f")).toString(), "before");
    assert.is(await store.abortUnfinished(new Set()), 0);
    await stop();
  });

  cases("content whose connection breaks is read on from there", async () => {
    const { store, asked, spoil, stop } = await storeBehindProxy(s3, ground);
    const content = numbered(3 * MIB);
    await store.put([file("f", content)]);
    let cuts = 3;
    spoil((line) => (line.startsWith("GET") && cuts-- > 0 ? { kind: "cut", afterBytes: 700_000 } : undefined));
    assert.ok((await contentOf(store, "f")).equals(content));
    assert.is(asked.filter((line) => line.startsWith("GET")).length, 4);
    await stop();
  });

  cases("where the answer to the last request of an upload is lost, the object is found to be complete", async () => {
    const { store, spoil, stop } = await storeBehindProxy(s3, ground);
    const content = numbered(12 * MIB);
    const upload = await store.begin({ key: key("f"), metadata: metadata(), sizeBytes: content.length });
    await upload.write(content);
    let losses = 1;
    spoil((line) => (line.startsWith("POST") && losses-- > 0 ? { kind: "lose-answer" } : undefined));
    const place = await upload.complete(metadata());
    assert.equal((await store.head({ key: key("f"), kind: "file" }))?.place, place);
    assert.ok((await contentOf(store, "f")).equals(content));
    await stop();
  });
}

function deletionCases(cases: Cases, s3: S3Server, ground: Ground): void {
  cases("what the server could not delete for the moment may be tried again, what it refuses not", async () => {
    const { store, spoil, stop } = await storeBehindProxy(s3, ground);
    await store.put([file("f", "content"), file("g", "content")]);
    for (const [said, code] of [
      ["InternalError", "OBJECTS_UNREACHABLE"],
      ["SlowDown", "OBJECTS_UNREACHABLE"],
      ["AccessDenied", "OBJECTS_REFUSED"],
    ] as const) {
      const body = `<DeleteResult><Error><Key>g</Key><Code>${said}</Code><Message>by the test</Message></Error></DeleteResult>`;
      spoil((line) => (line.startsWith("POST") ? { kind: "status", status: 200, body } : undefined));
      const failed = await store.delete([key("f"), key("g")].map((name) => ({ key: name, kind: "file" as const })));
      assert.equal(
        failed.map((each) => [each.key, isRainbowError(each.error, code)]),
        [["g", true]],
      );
    }
    await stop();
  });
}

function refusalCases(cases: Cases, { open, newBucket }: Ground): void {
  cases("a server that nobody answers for is unreachable, keys that it does not know are refused", async () => {
    await rejects(open({ endpoint: "http://127.0.0.1:1" }), "OBJECTS_UNREACHABLE");
    await rejects(open({ credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" } }), "OBJECTS_REFUSED");
  });

  cases("a bucket that is not there is made only where that was asked for", async () => {
    const bucket = newBucket();
    await rejects(open({ bucket, create: false }), "OBJECTS_REFUSED");
    await (await open({ bucket, create: true })).close();
    await (await open({ bucket, create: false })).close();
    for (const prefix of ["../x", "a//b", "/a", "x".repeat(600)]) await rejects(open({ bucket, prefix }), "USAGE");
  });
}

function settingCases(cases: Cases, { s3, newBucket }: { s3: S3Server; newBucket: () => string }): void {
  const openHere = (): Promise<ObjectStore> => openS3Store({ bucket: newBucket(), prefix: "", create: true, versioning: undefined });
  const own = Object.keys(process.env).filter((name) => name.startsWith("AWS_"));
  const within = async (environment: Readonly<Record<string, string>>): Promise<void> => {
    Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: "true", HOME: temporaryDirectory("home"), ...environment });
    try {
      const store = await openHere();
      await store.put([file("f", "content")]);
      await store.close();
    } finally {
      for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
    }
  };
  cases.before(() => own.forEach((name) => delete process.env[name]));

  cases("endpoint and keys are taken from the environment", () => within(s3.environment));

  cases("they are taken from a profile of ~/.aws, and the keys from the credentials file", async () => {
    const home = temporaryDirectory("aws");
    const { accessKeyId, secretAccessKey } = s3.credentials;
    writeFileSync(join(home, "config"), `[profile mirror]\nregion = us-east-1\nendpoint_url = ${s3.endpoint}\n`);
    writeFileSync(join(home, "credentials"), `[mirror]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`);
    await within({ AWS_PROFILE: "mirror", AWS_CONFIG_FILE: join(home, "config"), AWS_SHARED_CREDENTIALS_FILE: join(home, "credentials") });
  });

  cases("without any keys it is said how to give them", async () => {
    await rejects(within({ AWS_ENDPOINT_URL_S3: s3.endpoint }), "OBJECTS_REFUSED");
  });
}
