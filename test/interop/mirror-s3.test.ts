/** Mirrors of a real daemon's module in a real S3 server: what the bucket holds is what upstream has, and stays so. */
// Time limit: 900 s
import { createHash } from "node:crypto";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  lstatSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lastOfProfile } from "../../src/actors/mirror/index.ts";
import { byteStringOf, bytesOf } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig, rigOs } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const test = suite("mirror: into S3");
const random = seededRandom(3);
const server = hasCommand("rsync") ? await startS3Server() : "rsync is not installed";
let buckets = 0;

function mirrored(name: string, body: (rig: MirrorRig) => Promise<void>): void {
  test(name, async () => {
    if (typeof server === "string") return skipped(`mirror: ${name}`, server);
    const { endpoint, credentials } = server;
    const store = await openS3Store({ bucket: `mirror-${++buckets}`, prefix: "", create: true, versioning: undefined, endpoint, credentials });
    const mirror = await StoredMirror.make();
    const rig = await MirrorRig.open({ store, files: await mirror.opened.files() });
    try {
      await body(rig);
    } finally {
      await rig.close();
      await store.close();
      await mirror.opened.close();
    }
  });
}

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

/** What `rsync -rlpt` keeps of upstream, one line a name. */
function upstreamLines(directory: string): string[] {
  const lines: string[] = [];
  const walk = (prefix: string): void => {
    for (const raw of readdirSync(Buffer.concat([Buffer.from(directory), bytesOf(prefix as ByteString)]), { encoding: "buffer" })) {
      const path = `${prefix}/${byteStringOf(raw)}`;
      const full = Buffer.concat([Buffer.from(directory), bytesOf(path as ByteString)]);
      const stat = lstatSync(full);
      const key = path.slice(1);
      const mode = stat.mode & 0o7777;
      if (stat.isFile()) lines.push(`${key} ${mode} ${hashOf(readFileSync(full))}`);
      else if (stat.isSymbolicLink()) lines.push(`${key} -> ${byteStringOf(readlinkSync(full, { encoding: "buffer" }))}`);
      else if (stat.isDirectory()) {
        lines.push(`${key}/ ${mode}`);
        walk(path);
      }
    }
  };
  walk("");
  return lines.toSorted();
}

async function bucketLines(store: ObjectStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const page of store.list())
    for (const { key, kind } of page) {
      if (kind === "other") throw new Error(`${key} is of no kind`);
      const metadata = (await store.head({ key, kind }))?.metadata;
      if (kind === "directory") lines.push(`${key}/ ${metadata?.mode}`);
      else if (metadata?.kind === "symlink") lines.push(`${key} -> ${metadata.linkTarget}`);
      else lines.push(`${key} ${metadata?.mode} ${hashOf(await contentOf(store, key))}`);
    }
  return lines.toSorted();
}

async function contentOf(store: ObjectStore, key: ByteString): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.read(key)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

function hashOf(bytes: Buffer): string {
  return createHash("sha1").update(bytes).digest("hex");
}

mirrored("a tree with one of everything, its changes and removals", async (rig) => {
  makeAssortedTree(rigOs, bytePath(rig.upstream));
  if (!isRoot) rigOs.chmod(bytePath(join(rig.upstream, "folder/f4")), 0o400);
  await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  const second = await rig.sync();
  assert.equal([second.counts.arrivedCount, second.counts.touchedCount], [0, 0], JSON.stringify(second.items));
  const at = (name: string): string => join(rig.upstream, name);
  writeFileSync(at("small"), "other content, in both names");
  unlinkSync(at("over a chunk"));
  mkdirSync(at("over a chunk"));
  writeFileSync(at("over a chunk/inside"), "inside");
  rmSync(at("folder"), { recursive: true });
  writeFileSync(at("folder"), "a file now");
  renameSync(at("large"), at("links/moved"));
  const third = await rig.sync();
  assert.is(third.heldBecause, "");
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
});

mirrored("a changed large file is put together from what the bucket has, and what changed", async (rig) => {
  const content = random.bytes(40 << 20);
  const file = join(rig.upstream, "image");
  writeFileSync(file, content);
  await rig.sync();
  content.fill(1, 20_000_000, 20_200_000);
  writeFileSync(file, Buffer.concat([content.subarray(0, 31_000_000), random.bytes(777), content.subarray(31_000_000)]));
  const synced = await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  assert.ok(synced.counts.fetchedBytes < 400_000, `${synced.counts.fetchedBytes} bytes were fetched`);
  renameSync(file, join(rig.upstream, "moved"));
  linkSync(join(rig.upstream, "moved"), join(rig.upstream, "second name"));
  mkdirSync(join(rig.upstream, "old"));
  renameSync(join(rig.upstream, "moved"), join(rig.upstream, "old/image"));
  const moved = await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  assert.ok(moved.counts.fetchedBytes < 42 << 20, `${moved.counts.fetchedBytes} bytes were fetched for two names`);
});

mirrored("large and many files that come last wait in the bucket, and nothing of them stays there", async (rig) => {
  mkdirSync(join(rig.upstream, "dists"));
  const change = (): void => {
    writeFileSync(join(rig.upstream, "dists/Packages"), random.bytes(12 << 20));
    for (let i = 0; i < 30; i++) writeFileSync(join(rig.upstream, `dists/Contents-${i}`), random.bytes(900_000));
    appendFileSync(join(rig.upstream, "dists/InRelease"), "names all of them");
  };
  for (let round = 0; round < 2; round++) {
    change();
    await rig.sync({ last: lastOfProfile("debian") });
    assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  }
});

test.run();
