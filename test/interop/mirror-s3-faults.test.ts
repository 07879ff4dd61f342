/**
 * A mirror on a real S3 server that fails at any request of a sync, in any way: busy, silent, cut off before, within or after what was
 * asked, or with an error where it had begun to say that all was well. Meanwhile every object is whole, as upstream had it before or has
 * it now, and nothing is gone that upstream has; the next sync makes bucket and list what upstream is.
 */
// Time limit: 900 s
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lastOfProfile } from "../../src/actors/mirror/index.ts";
import { isRainbowError } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { campaignSeed, isCampaign } from "../support/campaign.ts";
import { startFaultyProxy } from "../support/faulty-proxy.ts";
import type { Fault, FaultyProxy } from "../support/faulty-proxy.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { startS3Server } from "../support/s3-server.ts";
import type { S3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { treeContents } from "../support/tree-contents.ts";

const test = suite("mirror: a failing bucket");
const random = seededRandom(campaignSeed());
const OPTIONS = { last: lastOfProfile("debian") } as const;
const SILENCE_MS = 400;
const PLACES_PER_FAULT = 1; // Outside of campaigns, which fail at every request.

const error = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>by the test</Message></Error>`;
const FAULTS: Readonly<Record<string, () => Fault>> = {
  busy: () => ({ kind: "status", status: 503, body: error("SlowDown") }),
  broken: () => ({ kind: "status", status: 500, body: error("InternalError") }),
  "cut off before": () => ({ kind: "refuse" }),
  "cut off within": () => ({ kind: "cut-request", afterBytes: 1 + random.int(3 << 20) }),
  "cut off after": () => ({ kind: "lose-answer" }),
  silent: () => ({ kind: "silence" }),
};

type Asked = readonly [method: string, url: string, headers: IncomingHttpHeaders];
/** What may be answered with 200 and an error: S3 begins such an answer before the work is done. */
const isLong = ([method, url, headers]: Asked): boolean =>
  (method === "POST" && url.includes("uploadId=")) || (method === "PUT" && headers["x-amz-copy-source"] !== undefined);

interface World {
  readonly rig: MirrorRig;
  readonly s3: S3Server;
  readonly proxy: FaultyProxy;
  readonly before: ReadonlyMap<string, string>;
  readonly after: ReadonlyMap<string, string>;
}

function makeUpstream(at: (name: string) => string): void {
  const large = random.bytes(10 << 20);
  mkdirSync(at("before/pool/going"), { recursive: true });
  writeFileSync(at("before/pool/large"), large);
  writeFileSync(at("before/pool/stays"), "stays");
  writeFileSync(at("before/pool/changes"), "before");
  writeFileSync(at("before/pool/going/file"), "going");
  writeFileSync(at("before/file to folder"), "a file");
  mkdirSync(at("before/folder to file"));
  writeFileSync(at("before/folder to file/inside"), "inside");
  symlinkSync("pool", at("before/link to file"));
  writeFileSync(at("before/Release"), "names what was before");
  writeFileSync(at("before/Packages"), random.bytes(1_200_000));
  spawnSync("cp", ["-a", at("before"), at("after")]);
  writeFileSync(at("after/pool/large"), Buffer.concat([large, random.bytes(6 << 20)]));
  writeFileSync(at("after/pool/changes"), "after, and longer");
  writeFileSync(at("after/pool/new"), random.bytes(9 << 20));
  linkSync(at("after/pool/new"), at("after/pool/new by another name"));
  rmSync(at("after/pool/going"), { recursive: true });
  unlinkSync(at("after/file to folder"));
  mkdirSync(at("after/file to folder"));
  writeFileSync(at("after/file to folder/inside"), "inside");
  rmSync(at("after/folder to file"), { recursive: true });
  writeFileSync(at("after/folder to file"), "a file now");
  unlinkSync(at("after/link to file"));
  writeFileSync(at("after/link to file"), "a file now");
  writeFileSync(at("after/Release"), "names what is after");
  writeFileSync(at("after/Packages"), random.bytes(1_300_000)); // It waits in the bucket for its turn.
}

/** A mirror as it was before the sync that fails; its bucket behind the proxy, there with little patience, and without the proxy. */
async function standing({ rig, s3, proxy }: World, prefix: string): Promise<Record<"behind" | "impatient" | "plain", ObjectStore>> {
  proxy.fault = () => undefined;
  const common = { bucket: "faults", prefix, create: true, versioning: undefined, credentials: s3.credentials } as const;
  const plain = await openS3Store({ ...common, endpoint: s3.endpoint });
  const behind = await openS3Store({ ...common, endpoint: proxy.endpoint });
  const impatient = await openS3Store({ ...common, endpoint: proxy.endpoint, silenceMs: SILENCE_MS });
  rig.forget();
  rig.use(behind, new MemoryMirrorFiles());
  await syncOf(rig, "before");
  return { behind, impatient, plain };
}

const syncOf = (rig: MirrorRig, path: string): ReturnType<MirrorRig["sync"]> => rig.sync(OPTIONS, { source: { ...rig.source, path: path as ByteString } });

async function contentsOf(store: ObjectStore): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const page of store.list())
    for (const { key, kind } of page) {
      if (kind === "directory") found.set(`${key}/`, "");
      else {
        const pieces: Uint8Array[] = [];
        for await (const piece of store.read(key)) pieces.push(Buffer.from(piece));
        const isLink = (await store.head({ key, kind: "file" }))?.kind === "symlink";
        found.set(key, (isLink ? "-> " : "") + Buffer.concat(pieces).toString("latin1"));
      }
    }
  return found;
}

/** What must hold at every moment. */
async function checkMeanwhile({ before, after }: World, store: ObjectStore, where: string): Promise<void> {
  const contents = await contentsOf(store);
  for (const [key, content] of contents)
    if (!key.startsWith(".rainbow-waiting/"))
      assert.ok(content === before.get(key) || content === after.get(key), `${where}: '${key}' holds what upstream never had`);
  for (const key of before.keys()) if (after.has(key)) assert.ok(contents.has(key), `${where}: '${key}' went, and upstream has it`);
}

async function checkAfterwards(world: World, store: ObjectStore, where: string): Promise<void> {
  const { rig, after } = world;
  const synced = await syncOf(rig, "after");
  assert.equal([synced.heldBecause, synced.counts.failedCount], ["", 0], where);
  const shown = (contents: ReadonlyMap<string, string>): string[] => [...contents].map(([key, { length }]) => `${key}: ${length}`).toSorted();
  const contents = await contentsOf(store);
  assert.equal(shown(contents), shown(after), where);
  for (const [key, content] of contents) assert.ok(content === after.get(key), `${where}: '${key}' is not what upstream has`);
  const list = await rig.files.list();
  for (const key of after.keys())
    assert.ok(list.entry((key.endsWith("/") ? key.slice(0, -1) : key) as ByteString) !== undefined, `${where}: '${key}' is not listed`);
  list.close();
  const again = await syncOf(rig, "after");
  assert.equal([again.counts.arrivedCount, again.counts.touchedCount, again.counts.withdrawnCount], [0, 0, 0], `${where}: ${JSON.stringify(again.items)}`);
  assert.is(await store.abortUnfinished(new Set()), 0, `${where}: an upload was left`);
}

/** One sync that meets `fault` at the request of that place, and from there on at all that `isMet`. Whether the sync failed of it. */
async function failAt(world: World, place: number, fault: () => Fault, isMet: (asked: Asked) => boolean, where: string): Promise<boolean> {
  const { rig, proxy } = world;
  const { behind, impatient, plain } = await standing(world, `m${place}-${where.replace(/\W/g, "-")}`);
  let count = 0;
  proxy.fault = (...asked) => (isMet(asked) && count++ >= place ? fault() : undefined);
  let hasFailed = false;
  if (fault().kind === "silence") rig.use(impatient, rig.files);
  try {
    await syncOf(rig, "after");
  } catch (failure) {
    if (!isRainbowError(failure)) throw failure;
    assert.is(failure.code, "OBJECTS_UNREACHABLE", `${where}: ${failure.message}`);
    hasFailed = true;
  }
  await checkMeanwhile(world, plain, where);
  proxy.fault = () => undefined;
  rig.use(behind, rig.files);
  await checkAfterwards(world, plain, where);
  for (const store of [behind, impatient, plain]) {
    if (store === plain) await clear(plain);
    await store.close();
  }
  return hasFailed;
}

async function clear(store: ObjectStore): Promise<void> {
  for await (const page of store.list()) await store.delete(page.map(({ key, kind }) => ({ key, kind: kind === "directory" ? kind : "file" })));
}

async function requestsOf(world: World): Promise<Asked[]> {
  const { behind, impatient, plain } = await standing(world, "counted");
  const requests: Asked[] = [];
  world.proxy.fault = (...asked) => void requests.push(asked);
  await syncOf(world.rig, "after");
  await checkAfterwards(world, plain, "without a fault");
  for (const store of [behind, impatient, plain]) await store.close();
  return requests;
}

function places(count: number): number[] {
  const all = Array.from({ length: count }, (_, place) => place);
  return isCampaign ? all : Array.from({ length: Math.min(count, PLACES_PER_FAULT) }, () => random.int(count));
}

async function withWorld(body: (world: World) => Promise<void>): Promise<void> {
  const s3 = hasCommand("rsync") ? await startS3Server({ store: "bluestore" }) : "rsync is not installed";
  if (typeof s3 === "string") return skipped("mirror: a failing bucket", s3);
  const [rig, proxy] = [await MirrorRig.open(), await startFaultyProxy(s3.endpoint)];
  makeUpstream((name) => join(rig.upstream, name));
  try {
    const [before, after] = [treeContents(join(rig.upstream, "before")), treeContents(join(rig.upstream, "after"))];
    await body({ rig, s3, proxy, before, after });
  } finally {
    await rig.close();
    await proxy.stop();
    await s3.stop();
  }
}

test("a bucket's server that fails at any request loses nothing and shows nothing by halves", () =>
  withWorld(async (world) => {
    const requests = await requestsOf(world);
    const longCount = requests.filter(isLong).length;
    assert.ok(requests.length > 20 && longCount >= 4, `${requests.length} requests, ${longCount} long ones`);
    let failures = 0;
    for (const [name, fault] of Object.entries(FAULTS))
      for (const place of places(requests.length)) if (await failAt(world, place, fault, () => true, `${name}, from request ${place}`)) failures++;
    assert.ok(failures > 0);
    for (const place of places(longCount)) {
      const fault = (): Fault => ({ kind: "status", status: 200, body: error("InternalError") });
      assert.ok(await failAt(world, place, fault, isLong, `an error in an answer that began well, from ${place}`));
    }
    console.log(`\n${requests.length} requests, ${longCount} of them long; ${failures} syncs failed`);
  }));

test.run();
