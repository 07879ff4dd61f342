/** Stores of every released format are still read, and we still write their bytes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ChunkNumber, Revision } from "../../../src/core/index.ts";
import { DigRig, rigChunk, rigValue } from "../../support/dig-rig.ts";
import { makeVectorStore, storedVector, VECTOR_QUOTA_BYTES, VECTOR_TEXTS } from "./store.ts";
import type { StoredVector } from "./store.ts";

const vector = JSON.parse(readFileSync(join(import.meta.dirname, "v1.json"), "utf8")) as StoredVector;
const data = zstdDecompressSync(Buffer.from(vector.data, "base64"));

async function openedVector(): Promise<DigRig> {
  const rig = new DigRig();
  rig.quotaBytes = VECTOR_QUOTA_BYTES;
  rig.disk.files.set("/m/data.dig", { durable: Buffer.from(data), view: Buffer.from(data), pending: [], length: data.length });
  rig.controls.maps.set("/m/control.lmdb", new Map(vector.control.map(([key, value]) => [Buffer.from(key, "hex").toString("latin1"), Buffer.from(value, "hex")])));
  await rig.open();
  return rig;
}

const test = suite("DIG's stores of released formats");

test("a store of format 1 is read: chunks, trees, lists and bitmap", async () => {
  const rig = await openedVector();
  assert.equal(await rig.problems(), []);
  const stored = VECTOR_TEXTS.map((_, i) => rig.isStored(i + 1));
  assert.equal(stored, [true, true, false, true, true, false]);
  VECTOR_TEXTS.forEach((text, i) => stored[i] === true && assert.equal(rig.dig.chunks.read((i + 1) as ChunkNumber), rigChunk(text).stored));
  assert.equal([rig.get(20, "k006"), rig.get(20, "k007"), rig.dig.chunks.liveCount(2 as ChunkNumber)], ["1", "L", 2]);
  const reader = rig.dig.trees.open(20 as Revision)!;
  assert.equal(reader.get(Buffer.from("k007")), rigValue("L", 5000));
  reader.close();
  assert.equal([rig.dig.freeing.window(), rig.dig.chunks.nextNumber()], [10, 7]);
  assert.ok((await rig.work()) > 0, "the work set of the dropped tree is there");
  assert.equal(await rig.problems(), []);
});

test("the same steps still write the bytes of format 1", async () => {
  const rig = await makeVectorStore(zstdOfE());
  const written = storedVector(rig);
  assert.equal(written.control, vector.control);
  assert.ok(zstdDecompressSync(Buffer.from(written.data, "base64")).equals(data));
});

/** The compressed chunk as the kept data file has it. */
function zstdOfE(): Buffer {
  const start = data.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
  const storedBytes = data.readUIntLE(data.indexOf(rigChunk("e").hash) + 38, 3);
  return data.subarray(start, start + storedBytes);
}

test.run();
