/** The store whose bytes are kept: every kind of block and row is in it. */
import { zstdCompressSync } from "node:zlib";
import type { Revision } from "../../../src/core/index.ts";
import { ENCODING } from "../../../src/core/index.ts";
import { DigRig, rigChunk, rigEntries, rigValue } from "../../support/dig-rig.ts";

export const VECTOR_TEXTS = ["a", "b", "c", "d", "e", "f"];
export const VECTOR_QUOTA_BYTES = 4 << 20;

export interface StoredVector {
  /** The data file, zstd, base64. */
  readonly data: string;
  /** Rows of the control file, key and value in hex. */
  readonly control: readonly (readonly [string, string])[];
}

/** zstd of another library version may give other bytes: this frame is kept as it was. */
const ZSTD_OF_E: Buffer = zstdCompressSync(rigChunk("e").stored);

export async function makeVectorStore(storedE = ZSTD_OF_E): Promise<DigRig> {
  const rig = await DigRig.opened(VECTOR_QUOTA_BYTES);
  const first = await rig.store("a", "b", "c");
  const { durable } = rig.dig.chunks.store([{ ...rigChunk("d") }, { ...rigChunk("e"), encoding: ENCODING.zstd, stored: storedE }, rigChunk("f")]);
  await rig.run(durable);
  await rig.build(10, rigEntries(30, "1"), [
    [first, 1],
    [first + 1, 2],
    [first + 2, 0, 9],
    [first + 3, 1],
    [first + 4, 1],
    [first + 5, 0, 9],
  ]);
  const base = rig.dig.trees.list().at(-1)!;
  const long = [{ key: Buffer.from("k007"), value: rigValue("L", 5000) }];
  const common = { chainHash: Buffer.alloc(32, 2), nextChunk: rig.dig.chunks.nextNumber() };
  await rig.run(rig.dig.trees.build({ ...common, base, revision: 20 as Revision, changes: long, chunks: [{ chunk: first, delta: -1, deathRevision: 15 as Revision }] }));
  await rig.moveWindow(10);
  await rig.work();
  await rig.dropTree(10);
  await rig.run(rig.dig.close());
  return rig;
}

export function storedVector(rig: DigRig): StoredVector {
  const file = rig.disk.files.get("/m/data.dig")!;
  const rows = [...rig.controls.maps.get("/m/control.lmdb")!].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    data: zstdCompressSync(file.view.subarray(0, file.length)).toString("base64"),
    control: rows.map(([key, value]) => [Buffer.from(key, "latin1").toString("hex"), value.toString("hex")]),
  };
}

