/**
 * A bucket of a real S3 server that others change behind a mirror's back, a mirror that loses what it keeps beside its events, and the
 * past of a bucket with versions: deltas, parts and copies included. In the end upstream, bucket and list agree.
 */
// Time limit: 900 s
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorHousehold } from "../support/mirror-household.ts";
import type { Json } from "../support/mirror-household.ts";
import { plainDifferences } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { startS3Server } from "../support/s3-server.ts";
import type { S3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";

const test = suite("mirror: a bucket behind its back");
const random = seededRandom(11);
const MIB = 2 ** 20;
const os = openOs();
const sdk = await import("@aws-sdk/client-s3");
const server = hasCommand("rsync") ? await startS3Server() : "rsync is not installed";

function housed(name: string, body: (house: MirrorHousehold, client: S3Client, s3: S3Server) => Promise<void>): void {
  test(name, async () => {
    if (typeof server === "string") return skipped(`mirror: ${name}`, server);
    const house = await MirrorHousehold.open();
    house.env = server.environment;
    const client = new sdk.S3Client({ endpoint: server.endpoint, credentials: server.credentials, region: "us-east-1", forcePathStyle: true });
    try {
      await body(house, client, server);
    } finally {
      client.destroy();
      await house.close();
    }
  });
}

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

const ofType = (items: readonly Json[], type: string): Json[] => items.filter((item) => item["type"] === type);

/** Upstream, bucket and list are the same: every byte is read, and restored. */
async function agree(house: MirrorHousehold, where: string): Promise<void> {
  const [synced] = ofType(await house.json(["mirror", "sync", "tree"]), "mirror-synced");
  assert.equal([synced!["arrivedCount"], synced!["withdrawnCount"], synced!["heldBecause"]], [0, 0, ""], `${where}: ${JSON.stringify(synced)}`);
  const checked = await house.run("mirror", "check", "tree", "--read-data");
  assert.match(checked.stdout.toString(), /nothing wrong[^]*as upstream has it/, `${where}: ${checked.stdout.toString()}${checked.stderr}`);
  const restored = join(house.home.base, `restored ${where}`);
  await house.ok(["restore", "mirror:tree", "--to", restored]);
  assert.equal(plainDifferences(os, bytePath(house.upstream), bytePath(restored)), [], where);
}

function makeUpstream(house: MirrorHousehold): void {
  house.write({ "a/deleted": "one", "a/replaced": "two", "a/same again": "three", "a/other mode": "four", "a/stays": "five", "b/inside": "six" });
  writeFileSync(join(house.upstream, "a/large"), random.bytes(9 * MIB));
  writeFileSync(join(house.upstream, "a/large replaced"), random.bytes(9 * MIB));
  symlinkSync("a/stays", join(house.upstream, "link"));
  symlinkSync("a/stays", join(house.upstream, "link to elsewhere"));
}

/** What others do to it, and what `check` calls it. */
async function spoil(client: S3Client, Bucket: string): Promise<Record<string, string>> {
  const put = (Key: string, Body: string | Buffer, Metadata?: Record<string, string>): Promise<unknown> =>
    client.send(new sdk.PutObjectCommand({ Bucket, Key, Body, ...(Metadata === undefined ? {} : { Metadata }) }));
  for (const Key of ["a/deleted", "a/large", "b/"]) await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }));
  await put("a/replaced", "by somebody else");
  await put("a/same again", "three");
  await put("a/large replaced", random.bytes(9 * MIB));
  await put("a/other mode", "four", { mode: "100600", mtime: "5.000000000" });
  await put("link", "no link");
  await put("link to elsewhere", "a/large", { mode: "120777", mtime: "5.000000000", target: "a/large" });
  await put("a/foreign", "of nobody");
  const changed = { "a/replaced": "changed", "a/large replaced": "changed", "a/other mode": "attributes", "a/same again": "attributes" };
  return { "a/deleted": "missing", "a/large": "missing", b: "missing", link: "changed", "link to elsewhere": "changed", "a/foreign": "foreign", ...changed };
}

async function found(house: MirrorHousehold, exitCode: number, ...words: readonly string[]): Promise<Record<string, string>> {
  const items = await house.json(["mirror", "check", "tree", "--no-source", "--read-data", ...words], exitCode);
  return Object.fromEntries(items.flatMap((item) => (typeof item["what"] === "string" ? [[item["path"], item["what"]]] : []))) as Record<string, string>;
}

housed("what others deleted, replaced, described anew and added is found and mended, and all agree again", async (house, client) => {
  makeUpstream(house);
  await house.ok(["mirror", "add", house.url, "s3://behind"]);
  await house.ok(["mirror", "sync", "tree"]);
  const expected = await spoil(client, "behind");
  assert.is(ofType(await house.json(["mirror", "sync", "tree"]), "mirror-synced")[0]!["arrivedCount"], 0, "nobody looked");
  assert.equal(await found(house, 30), expected);
  await found(house, 30, "--mend");
  await house.ok(["mirror", "sync", "tree"]);
  // What no list has ever had is left alone, and named.
  assert.equal(await found(house, 1), { "a/foreign": "foreign" });
  await client.send(new sdk.DeleteObjectCommand({ Bucket: "behind", Key: "a/foreign" }));
  await agree(house, "mended");
});

housed("a recovery takes for the mirror's what has its metadata, gives up what others replaced, and leaves theirs alone", async (house, client) => {
  makeUpstream(house);
  await house.ok(["mirror", "add", house.url, "s3://recovered"]);
  await house.ok(["mirror", "sync", "tree"]);
  await spoil(client, "recovered");
  const told = Object.fromEntries(
    (await house.json(["mirror", "recover", "tree"])).flatMap((item) => (typeof item["what"] === "string" ? [[item["path"], item["what"]]] : [])),
  );
  assert.equal(told, {
    "a/deleted": "withdrawn",
    "a/foreign": "ignored",
    "a/large": "withdrawn",
    "a/large replaced": "withdrawn",
    "a/replaced": "withdrawn",
    b: "withdrawn",
    link: "withdrawn",
    "link to elsewhere": "corrected",
  });
  await house.ok(["mirror", "sync", "tree"]);
  // The same content with other attributes is the list's word against the bucket's: `check` tells of it.
  assert.equal(await found(house, 1), { "a/foreign": "foreign", "a/other mode": "attributes", "a/same again": "attributes" });
  assert.is((await house.ok(["mirror", "recover", "tree"])).includes("adopted"), false);
  await found(house, 1, "--mend");
  await house.ok(["mirror", "settle", "tree"]);
  await client.send(new sdk.DeleteObjectCommand({ Bucket: "recovered", Key: "a/foreign" }));
  await agree(house, "recovered");
});

housed("whatever a mirror keeps beside its events may be lost, piece by piece or as a whole", async (house) => {
  makeUpstream(house);
  await house.ok(["mirror", "add", house.url, "s3://cache"]);
  await house.ok(["mirror", "sync", "tree"]);
  const mirrors = join(house.home.data, "mirrors");
  const [uuid] = readdirSync(mirrors);
  for (const lost of [["data.dig"], ["control.lmdb"], ["memory.lmdb"], ["control.lmdb", "memory.lmdb"], ["."]]) {
    for (const name of lost)
      for (const path of name === "." ? [""] : [name, `${name}-lock`]) rmSync(join(mirrors, uuid!, path), { recursive: true, force: true });
    house.write({ "a/replaced": `after ${lost.join(" and ")} went` });
    rmSync(join(house.upstream, "a/deleted"), { force: true });
    const [synced] = ofType(await house.json(["mirror", "sync", "tree"]), "mirror-synced");
    assert.is(synced!["arrivedCount"], 1, lost.join(" and "));
    await agree(house, lost.join(" and "));
    house.write({ "a/deleted": "again" });
    await house.ok(["mirror", "sync", "tree"]);
  }
});

housed("with versions every instant is listed, read, compared and restored: replaced, deleted, deltas, parts, copies, other kinds", async (house) => {
  const at = (name: string): string => join(house.upstream, name);
  const revisionNow = async (): Promise<string> => `r${String((await house.json(["mirror", "log", "tree", "--number", "1"]))[0]!["revision"])}`;
  await house.ok(["mirror", "add", house.url, "s3://versions", "--versioning"]);
  const image = random.bytes(20 * MIB);
  const instants: { readonly revision: string; readonly copy: string }[] = [];
  const steps: (() => void)[] = [
    () => {
      house.write({ text: "first", "gone/inside": "soon gone", kind: "a file" });
      writeFileSync(at("image"), image);
    },
    () => {
      image.fill(7, 8 * MIB, 8 * MIB + 5000); // A delta: parts are copied from the version before.
      writeFileSync(at("image"), image);
      linkSync(at("image"), at("image by another name"));
      house.write({ text: "second" });
    },
    () => {
      rmSync(at("gone"), { recursive: true });
      unlinkSync(at("kind"));
      house.write({ "kind/inside": "a folder now" });
      renameSync(at("image by another name"), at("moved image"));
    },
    () => {
      unlinkSync(at("image"));
      unlinkSync(at("moved image"));
      rmSync(at("kind"), { recursive: true });
      symlinkSync("text", at("kind"));
      house.write({ text: "fourth" });
    },
  ];
  for (const [i, step] of steps.entries()) {
    step();
    await house.ok(["mirror", "sync", "tree"]);
    const copy = join(house.home.base, `copy ${i}`);
    os.makeDirectory(bytePath(copy));
    await house.ok(["restore", "mirror:tree", "--to", copy, "--overwrite"]);
    assert.equal(plainDifferences(os, bytePath(house.upstream), bytePath(copy)), [], `step ${i}, now`);
    instants.push({ revision: await revisionNow(), copy });
  }
  for (const [i, { revision, copy }] of instants.entries()) {
    const then = join(house.home.base, `then ${i}`);
    await house.ok(["restore", "mirror:tree", "--at", revision, "--to", then]);
    assert.equal(plainDifferences(os, bytePath(copy), bytePath(then)), [], `step ${i}, later`);
    assert.is(await house.ok(["cat", `mirror:tree/text@${revision}`]), readFileSync(join(copy, "text"), "utf8"));
    const names = (await house.ok(["ls", `mirror:tree@${revision}`])).split("\n").filter((line) => line !== "");
    assert.is(names.length, readdirSync(copy).length, names.join("\n"));
  }
  const [first, second] = instants;
  const difference = await house.ok(["diff", `mirror:tree@${first!.revision}`, `mirror:tree@${second!.revision}`], 1);
  assert.match(difference, /image by another name/);
  assert.match(difference, /text/);
});

test.run();
