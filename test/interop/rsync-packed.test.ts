/** Compression as a real daemon does it: every compressor, whole files and changed ones, in the protocols that have it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openXxh3, openZstdStreams } from "../../src/app/os/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import type { Compressor } from "../../src/rsync/index.ts";
import { seededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import type { RsyncDaemon } from "../support/rsync-daemon.ts";
import { fetchAll } from "../support/rsync-fetch.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const root = temporaryDirectory("rsync-packed");
const digests = await openDigests(openXxh3());
const random = seededRandom(11);
const words = Array.from({ length: 2000 }, () => random.bytes(3).toString("hex"));
const prose = Buffer.from(Array.from({ length: 300_000 }, () => random.pick(words)).join(" "));
const files = new Map<string, Buffer>([
  ["prose", prose],
  ["noise", random.bytes(700_000)],
  ["zeros", Buffer.alloc(3_000_000)],
  ["empty", Buffer.alloc(0)],
  ["a", Buffer.from("a")],
  ["exactly a chunk", random.bytes(16_383)],
  ["mixed", Buffer.concat([prose.subarray(0, 500_000), random.bytes(100_000), prose.subarray(500_000, 1_200_000)])],
]);
/** What we had: pieces moved, cut and overwritten; long runs that a sender tells as one. */
const old = new Map<string, Buffer>([
  ["prose", Buffer.concat([prose.subarray(700_000), random.bytes(5000), prose.subarray(0, 600_000)])],
  ["mixed", prose],
  ["noise", files.get("noise")!.subarray(1000)],
]);
let daemon: RsyncDaemon | undefined;

const test = suite("rsync: packed content of a real daemon");

test.before(async () => {
  mkdirSync(root, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(root, name), bytes);
  if (hasCommand("rsync")) daemon = await startRsyncDaemon({ data: { path: root } });
});
test.after(() => daemon?.stop());

const CASES: readonly (readonly [compressor: Compressor, protocols: readonly number[]])[] = [
  ["zlib", [27, 28, 29, 30, 31, 32]],
  ["zlibx", [30, 31, 32]],
  ["lz4", [30, 31, 32]],
  ["zstd", [30, 31, 32]],
];

for (const [compressor, protocols] of CASES)
  for (const protocolMax of protocols)
    test(`${compressor}, protocol ${protocolMax}: whole and changed files arrive, and less is sent`, async () => {
      const name = `rsync: ${compressor}, protocol ${protocolMax}`;
      if (!hasCommand("rsync")) return skipped(name, "rsync is not installed");
      if (compressor === "zstd" && openZstdStreams() === undefined) return skipped(name, "there is no addon, or Node shows no zstd");
      for (const hasBasis of [false, true]) {
        let receivedBytes = 0;
        const session = { module: "data", protocolMax, compressors: [compressor] };
        const options = { session, ...(hasBasis ? { old: ({ path }: { readonly path: string }) => old.get(path) } : {}) };
        const watch = { onReceived: (bytes: Buffer): void => void (receivedBytes += bytes.length) };
        const fetched = await fetchAll(daemon!.port, { ...options, watch }, digests);
        assert.is(fetched.agreement.compressor, compressor);
        for (const [path, bytes] of files) {
          assert.is(fetched.outcomes.get(path), "verified", `${path}, ${hasBasis ? "changed" : "whole"}`);
          assert.ok(fetched.contents.get(path)!.equals(bytes), path);
        }
        const allBytes = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
        assert.ok(receivedBytes < allBytes * (hasBasis ? 0.2 : 0.5), `${receivedBytes} of ${allBytes} bytes were sent`);
      }
    });

test("without a decoder zstd is not offered, and another compressor is agreed on", async () => {
  if (!hasCommand("rsync")) return skipped("rsync: compressors in order", "rsync is not installed");
  const { agreement } = await fetchAll(daemon!.port, { session: { module: "data", compressors: ["zlib", "zlibx", "lz4"] } }, digests);
  assert.is(agreement.compressor, "lz4");
});

test("block lengths over 64 KiB are remembered as old and new senders do", async () => {
  if (!hasCommand("rsync")) return skipped("rsync: long copies", "rsync is not installed");
  for (const protocolMax of [29, 30, 31, 32]) {
    const options = {
      session: { module: "data", protocolMax, compressors: ["zlib"] as const },
      old: ({ path }: { readonly path: string }) => old.get(path),
      blockBytes: 131_072,
    };
    const { outcomes } = await fetchAll(daemon!.port, options, digests);
    for (const path of old.keys()) assert.is(outcomes.get(path), "verified", `${protocolMax} ${path}`);
  }
});

test.run();
