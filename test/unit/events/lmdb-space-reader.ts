/** node lmdb-space-reader.ts PATH: holds one snapshot of an event store's file, and counts its rows each time it is asked. */
import { open } from "lmdb";
import { crcOf } from "../../../src/events/lmdb/crc.ts";

const root = open<Buffer, Buffer>({ path: process.argv[2]!, noSubdir: true, readOnly: true, maxDbs: 4, encoding: "binary", keyEncoding: "binary" });
const rows = root.openDB<Buffer, Buffer>({ name: "rows", encoding: "binary", keyEncoding: "binary" });
const transaction = root.useReadTransaction();
const sums = new Map<string, number>();

function count(): { readonly rows: number; readonly soundRows: number } {
  let [all, sound] = [0, 0];
  for (const { key, value } of rows.getRange({ transaction })) {
    const [name, sum] = [key.toString("hex"), crcOf(Buffer.from(value))];
    all += 1;
    if ((sums.get(name) ?? sum) === sum) sound += 1;
    sums.set(name, sum);
  }
  return { rows: all, soundRows: sound };
}

process.send?.(count());
process.on("message", () => process.send?.(count()));
