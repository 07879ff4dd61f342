/** A list as long as it likes to be: with incremental recursion nothing of it stays once it was handed on and closed. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDigests } from "../../../src/rsync/index.ts";
import { scale } from "../../support/campaign.ts";
import { directory, file, ROOT_ENTRY, ScriptedServer } from "../../support/rsync-script.ts";

const FILES_PER_FOLDER = 1000;
const GROWTH_BYTES_MAX = 4_000_000; // What the collector and the compiler do meanwhile; the entries alone would be 300 MB.

const digests = await openDigests();
const test = suite("rsync: memory");

test("ten million entries take no more memory than the first hundred thousand", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const folderCount = Math.max(1000, scale(10_000));
  const folders = Array.from({ length: folderCount }, (_, i) => directory(`folder${String(i).padStart(6, "0")}`));
  const server = new ScriptedServer(digests, { isIncremental: true, asksNothing: true, keepsNothing: true });
  server.open().list([ROOT_ENTRY, ...folders]);
  let early = 0;
  folders.forEach(({ path }, i) => {
    server.index(-102 - i).list(Array.from({ length: FILES_PER_FOLDER }, (_, at) => file(`${path}/file${at}`, at)));
    if (i === 99) early = heapBytes();
  });
  assert.is(server.entryCount, folderCount * (FILES_PER_FOLDER + 1) + 1);
  const growth = heapBytes() - early;
  assert.ok(growth < GROWTH_BYTES_MAX, `${growth} bytes`);
});

test.run();
