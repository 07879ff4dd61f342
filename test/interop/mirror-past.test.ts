/** The past of a mirror in a bucket of a real S3 server that keeps versions: every instant is read and restored, and the list is made anew from the bucket. */
// Time limit: 900 s
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFiles, recoverFiles } from "../../src/actors/mirror-files/index.ts";
import { openXxh3 } from "../../src/app/os/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { FileEntry, MirrorFiles } from "../../src/projections/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { all, instant, mirrorHistory, MirrorWorld, NOW } from "../support/mirror-world.ts";
import { startS3Server } from "../support/s3-server.ts";
import type { S3Server } from "../support/s3-server.ts";
import { skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("the past of a mirror in a bucket");
const server = await startS3Server();
if (typeof server === "string") test("every instant on a real S3 server", () => skipped("the past of a mirror in a bucket", server));
else withServer(server);

async function everything(files: MirrorFiles): Promise<Omit<FileEntry, "node">[]> {
  const list = await files.list();
  const walk = (path: ByteString): FileEntry[] => [...list.children(path)].flatMap((entry) => [entry, ...walk(entry.path)]);
  const entries = walk("." as ByteString).map((entry) => ({ ...entry, node: 0 }));
  list.close();
  return entries;
}

function withServer({ endpoint, credentials, stop }: S3Server): void {
  let buckets = 0;
  const openWorld = (): MirrorWorld => {
    const bucket = `past-${++buckets}`;
    return new MirrorWorld(() => openS3Store({ bucket, prefix: "m", create: true, versioning: true, endpoint, credentials }));
  };

  test("content of any instant is read in its version, and restored", async () => {
    const { world, revisions } = await mirrorHistory(openWorld());
    const [first, second] = revisions;
    assert.is(await world.text("mirror:debian/dists/Release", instant(first!)), "one");
    assert.is(await world.text("mirror:debian/dists/Release", instant(second!)), "three");
    assert.is(await world.text("mirror:debian/dists/Release", NOW), "three");
    const out = join(temporaryDirectory("out"), "then");
    await world.restore("mirror:debian", out, { at: instant(first!) });
    assert.equal([readFileSync(join(out, "dists/Release"), "utf8"), readFileSync(join(out, "pool/a.deb"), "utf8")], ["one", "package a"]);
    const mirror = await world.mirrors.named("debian");
    const objects = await world.mirrors.objectsOf(mirror);
    assert.equal(await objects.delete([{ key: "pool/a.deb" as ByteString, kind: "file" }]), []);
    const back = join(temporaryDirectory("out"), "a.deb");
    await all(world.operations.undelete({ path: "mirror:debian/pool/a.deb" as ByteString, target: back as ByteString }));
    assert.is(readFileSync(back, "utf8"), "package a", "what the bucket deleted it still has");
    await world.mirrors.close();
  });

  test("the list is made anew from the bucket, digests and versions included, and held to it", async () => {
    const { world, mirror } = await mirrorHistory(openWorld());
    const objects = await world.mirrors.objectsOf(mirror);
    await objects.delete([{ key: "pool/a.deb" as ByteString, kind: "file" }]);
    const lost = await StoredMirror.make();
    const files = await lost.opened.files();
    await all(recoverFiles(files, objects));
    assert.equal(await everything(files), await everything(await mirror.files()));
    const digests = await openDigests(openXxh3());
    const checked = await all(checkFiles(files, objects, { readsData: true, mends: false, digests: async () => digests }));
    assert.equal(checked, [{ type: "summary", entryCount: 4, faultCount: 0, readCount: 2, readBytes: 14, provenCount: 0, unprovenCount: 0 }]);
    await lost.opened.close();
    await world.mirrors.close();
  });

  test.after(stop);
}

test.run();
