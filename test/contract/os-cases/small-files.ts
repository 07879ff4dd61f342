/** readSmallFiles: whole contents of what did not change since it was listed, and nothing else. */
import { listingCount, listingName, SMALL_FILE_CHANGED, SMALL_FILE_NO_ROOM } from "../../../src/core/index.ts";
import type { ByteString, SmallFiles } from "../../../src/core/index.ts";
import * as assert from "uvu/assert";
import { below, codeOf, writeFile, type Cases } from "./place.ts";

const MIB = 2 ** 20;

const indexesOf = (listing: Buffer): number[] => Array.from({ length: listingCount(listing) }, (_, i) => i);
const contentOf = (files: SmallFiles, i: number): string => files.bytes.toString("latin1", files.offsets[i], files.offsets[i]! + files.lengths[i]!);

export const smallFileCases: Cases = {
  "many files come in one buffer, in the order asked for": ({ os, folder }) => {
    const here = folder();
    for (let i = 0; i < 300; i++) writeFile(os, below(here, `f${i}\xff`), `content ${i} `.repeat(i % 50));
    const listing = os.listDirectory(here);
    for (const indexes of [indexesOf(listing).reverse(), Uint32Array.from([7, 3, 3])]) {
      const files = os.readSmallFiles(here, listing, indexes, Buffer.alloc(MIB));
      indexes.forEach((index, i) => {
        const number = Number(listingName(listing, index).slice(1, -1));
        assert.is(contentOf(files, i), `content ${number} `.repeat(number % 50));
      });
    }
    assert.equal([...os.readSmallFiles(here, listing, [], Buffer.alloc(MIB)).lengths], []);
  },

  "what changed since it was listed is marked, not given": ({ os, folder }) => {
    const here = folder();
    const names = ["content", "deleted", "grown", "replaced", "same", "times", "z"];
    for (const name of names) writeFile(os, below(here, name), "12345678");
    writeFile(os, below(here, "other"), "12345678");
    const listing = os.listDirectory(here);
    pauseForClockTick();
    writeFile(os, below(here, "content"), "abcdefgh");
    os.unlink(below(here, "deleted"));
    writeFile(os, below(here, "grown"), "123456789");
    os.rename(below(here, "other"), below(here, "replaced"));
    os.setTimes(below(here, "times"), os.lstat(below(here, "times")).mtimeSeconds, 0);
    const files = os.readSmallFiles(here, listing, indexesOf(listing), Buffer.alloc(MIB));
    const given = indexesOf(listing).filter((i) => files.lengths[i] !== SMALL_FILE_CHANGED);
    assert.equal(
      given.map((i) => `${listingName(listing, i)} ${contentOf(files, i)}`),
      ["same 12345678", "z 12345678"],
    );
  },

  "only regular files are given": ({ os, folder }) => {
    const here = folder();
    writeFile(os, below(here, "file"), "x");
    os.makeDirectory(below(here, "directory"));
    os.symlink("file" as ByteString, below(here, "link"));
    const listing = os.listDirectory(here);
    assert.equal([...os.readSmallFiles(here, listing, indexesOf(listing), Buffer.alloc(MIB)).lengths], [SMALL_FILE_CHANGED, 1, SMALL_FILE_CHANGED]);
  },

  "what has no room is marked and can be asked for again": ({ os, folder }) => {
    const here = folder();
    for (const name of ["a", "b", "c"]) writeFile(os, below(here, name), "1234");
    writeFile(os, below(here, "empty"), "");
    const listing = os.listDirectory(here);
    const files = os.readSmallFiles(here, listing, indexesOf(listing), Buffer.alloc(9));
    assert.equal([...files.lengths], [4, 4, SMALL_FILE_NO_ROOM, 0]);
    assert.is(files.bytes.toString(), "12341234");
    assert.equal([...os.readSmallFiles(here, listing, [2], Buffer.alloc(4)).lengths], [4]);
  },

  "a directory that is gone is an error": ({ os, folder, isNative }) => {
    const here = folder();
    const listing = os.listDirectory(here);
    os.removeDirectory(here);
    if (isNative)
      assert.is(
        codeOf(() => os.readSmallFiles(here, listing, [], Buffer.alloc(MIB))),
        "ENOENT",
      );
  },
};

/** A change within one tick of the kernel's clock may leave the times as they were. */
function pauseForClockTick(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}
