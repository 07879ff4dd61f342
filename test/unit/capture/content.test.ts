/** The addon's calls on content against the same in JavaScript: what one machine remembers or stores, another reads. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContentCalls } from "../../../src/app/os/index.ts";
import { BlockHasher, ChunkMaker } from "../../../src/capture/content/index.ts";
import { CHUNK_BYTES_MAX, ENCODING, nodeZstd, REGION_BYTES } from "../../../src/core/index.ts";
import type { ContentCalls, NewChunk } from "../../../src/core/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";
import { skipped } from "../../support/skip.ts";

const test = suite("capture content");
const WHY = "the native addon is not built, or Node hides its libraries";

/** Text, random bytes, zeros and mixtures of them, as files have them. */
function content(random: SeededRandom, lengthBytes: number): Buffer {
  const bytes = random.bytes(lengthBytes);
  for (let at = 0; at < lengthBytes;) {
    const end = Math.min(lengthBytes, at + 1 + random.int(20_000));
    const kind = random.int(3);
    if (kind === 0) bytes.fill(0, at, end);
    if (kind === 1) for (let i = at; i < end; i++) bytes[i] = 97 + ((bytes[i] as number) % 20);
    at = end;
  }
  return bytes;
}

function plainOf({ encoding, stored, lengthBytes }: NewChunk): Buffer | undefined {
  return encoding === ENCODING.zstd ? nodeZstd.decompress(stored, lengthBytes) : stored;
}

function pieces(random: SeededRandom, lengthBytes: number): number[] {
  const found: number[] = [];
  for (let at = random.int(3); at < lengthBytes;) {
    const end = Math.min(lengthBytes, at + 1 + random.int(random.chance(0.5) ? CHUNK_BYTES_MAX : 300));
    found.push(at, end);
    at = end + random.int(10);
  }
  return found;
}

async function compare(calls: ContentCalls, random: SeededRandom): Promise<void> {
  const secret = random.bytes(8);
  const hashers = await Promise.all([BlockHasher.create(secret, calls), BlockHasher.create(secret, undefined)]);
  const key = random.bytes(32);
  const makers = [new ChunkMaker(key, calls), new ChunkMaker(key, undefined)];
  const bytes = content(random, 1 + random.int(random.chance(0.5) ? REGION_BYTES : 9000));
  const [native, plain] = hashers.map((hasher) => hasher.hash(bytes).toString("hex"));
  assert.is(native, plain);
  const cuts = pieces(random, bytes.length);
  const [made, expected] = makers.map((maker) => maker.make(bytes, cuts)) as [NewChunk[], NewChunk[]];
  assert.is(made.length, cuts.length / 2);
  made.forEach((chunk, i) => {
    const other = expected[i] as NewChunk;
    assert.equal([chunk.hash, chunk.lengthBytes], [other.hash, other.lengthBytes]);
    assert.ok(plainOf(chunk)?.equals(bytes.subarray(cuts[2 * i], cuts[2 * i + 1])), "a chunk holds its piece");
    assert.ok(plainOf(other)?.equals(bytes.subarray(cuts[2 * i], cuts[2 * i + 1])), "a chunk of JavaScript holds its piece");
  });
}

test("the addon hashes blocks and makes chunks as JavaScript does", async () => {
  const calls = openContentCalls();
  if (calls === undefined) return skipped("the addon hashes blocks and makes chunks as JavaScript does", WHY);
  const random = seededRandom(campaignSeed());
  for (let i = 0; i < scale(200); i++) await compare(calls, random);
});

test("text is compressed and random bytes are kept as they are, by both", () => {
  const random = seededRandom(campaignSeed());
  const noise = random.bytes(CHUNK_BYTES_MAX);
  const bytes = Buffer.concat([Buffer.from(noise.toString("hex").slice(0, CHUNK_BYTES_MAX)), noise]);
  for (const calls of [openContentCalls(), undefined]) {
    const chunks = new ChunkMaker(Buffer.alloc(32), calls).make(bytes, [0, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 2 * CHUNK_BYTES_MAX, 0, 20_000]);
    assert.equal(
      chunks.map(({ encoding }) => encoding),
      [ENCODING.zstd, ENCODING.raw, ENCODING.zstd],
    );
  }
});

test("pieces outside of the bytes, or without any, are a bug of the caller", () => {
  const calls = openContentCalls();
  if (calls === undefined) return skipped("pieces outside of the bytes, or without any, are a bug of the caller", WHY);
  const packed = { hashes: Buffer.alloc(32), words: new Uint32Array(2) };
  const pack = (piece: readonly number[]): number => calls.packChunks(Buffer.alloc(10), Uint32Array.from(piece), Buffer.alloc(32), Buffer.alloc(100), packed);
  for (const piece of [
    [0, 11],
    [3, 3],
    [4, 3],
  ])
    assert.throws(() => pack(piece), "pieces can be packed");
  assert.is(pack([0, 10]), 1);
});

test.run();
