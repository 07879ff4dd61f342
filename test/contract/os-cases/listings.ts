/** Directory listings: whole, sorted, and the same from both implementations. */
import { spawnSync } from "node:child_process";
import { openOs } from "../../../src/app/os/index.ts";
import { listingCount, listingErrno, listingName, listingStat } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { isRoot } from "../../support/skip.ts";
import * as assert from "uvu/assert";
import { below, codeOf, writeFile, type Cases } from "./place.ts";

const BIG_COUNT = 4000;

export const listingCases: Cases = {
  "an empty directory lists nothing": ({ os, folder }) => {
    assert.equal(os.listDirectory(folder()), Buffer.alloc(8));
  },

  "a listing has every name with its stat, sorted by bytes": ({ os, folder }) => {
    const here = folder();
    const names = ["b", "a", "ab", "\xff", "abcdefgh", "abcdefghi", "abcdefgh\x01", "A", "~", "\xc3\xa9", "a".repeat(255)];
    for (const name of names) writeFile(os, below(here, name), name);
    os.makeDirectory(below(here, "d"));
    os.symlink("t" as ByteString, below(here, "l"));
    const listing = os.listDirectory(here);
    const listed = Array.from({ length: listingCount(listing) }, (_, i) => listingName(listing, i));
    assert.equal(listed, [...names, "d", "l"].sort() as ByteString[]);
    listed.forEach((name, i) => {
      assert.equal(listingStat(listing, i), os.lstat(below(here, name)));
      assert.is(listingErrno(listing, i), 0);
    });
  },

  "both implementations give the same bytes, for every kind and every odd time": ({ os, folder }) => {
    const here = folder();
    const maker = openOs();
    writeFile(os, below(here, "sparse"), "x");
    const fd = os.openWrite(below(here, "sparse"), { exclusive: false, truncate: false });
    os.truncate(fd, 2 ** 33 + 5);
    os.close(fd);
    if (maker.source === "native") maker.makeSpecial(below(here, "fifo"), "fifo", 0o640, 0);
    if (maker.source === "native" && isRoot) maker.makeSpecial(below(here, "null"), "character", 0o666, 2 ** 20 + 3);
    if (isRoot) os.chown(below(here, "sparse"), 4_000_000_000, 65_534);
    for (const [name, seconds] of [
      ["old", -1],
      ["epoch", 0],
      ["late", 4_200_000_000],
      ["very old", -2_000_000_000],
    ] as const) {
      writeFile(os, below(here, name), "");
      maker.setTimes(below(here, name), seconds, 999_999_999);
    }
    assert.equal(openOs().listDirectory(here), openOs({ only: "node" }).listDirectory(here));
    assert.equal(openOs().listDirectory("/dev" as ByteString), openOs({ only: "node" }).listDirectory("/dev" as ByteString));
  },

  "a big directory lists the same twice, and a change shows": ({ os, folder }) => {
    const here = folder();
    for (let i = 0; i < BIG_COUNT; i++) writeFile(os, below(here, `${(i * 7919) % BIG_COUNT}-${"n".repeat(i % 200)}`), "");
    const first = os.listDirectory(here);
    assert.is(listingCount(first), BIG_COUNT);
    assert.ok(os.listDirectory(here).equals(first));
    writeFile(os, below(here, "one more"), "");
    assert.is(listingCount(os.listDirectory(here)), BIG_COUNT + 1);
  },

  "names that vanish while they are listed do no harm": ({ os, folder }) => {
    const here = folder();
    for (let i = 0; i < 300; i++) writeFile(os, below(here, `stays-${i}`), "");
    const churn = 'i=0; while [ $i -lt 400 ]; do : > "$1/comes-$i"; rm "$1/comes-$i"; i=$((i + 1)); done';
    const done = below(here, "done");
    spawnSync("sh", ["-c", `( ${churn}; : > "$1/done" ) > /dev/null 2>&1 &`, "sh", here], { stdio: "ignore" });
    for (let isDone = false; !isDone;) {
      isDone = codeOf(() => os.lstat(done)) === "";
      const listing = os.listDirectory(here);
      const names = Array.from({ length: listingCount(listing) }, (_, i) => i);
      assert.is(names.filter((i) => listingName(listing, i).startsWith("stays-") && listingStat(listing, i) !== undefined).length, 300);
      assert.ok(names.every((i) => listingStat(listing, i) !== undefined || listingErrno(listing, i) === 2));
    }
  },

  "a file and a symlink to a directory are not directories": ({ os, folder }) => {
    const here = folder();
    writeFile(os, below(here, "file"), "");
    os.makeDirectory(below(here, "directory"));
    os.symlink("directory" as ByteString, below(here, "link"));
    assert.is(
      codeOf(() => os.listDirectory(below(here, "file"))),
      "ENOTDIR",
    );
    assert.is(
      codeOf(() => os.listDirectory(below(here, "link"))),
      "ENOTDIR",
    );
  },
};
