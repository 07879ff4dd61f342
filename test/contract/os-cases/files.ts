/** Open files: reading, writing, holes, locks. */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openOs } from "../../../src/app/os/index.ts";
import type { ByteString, Os } from "../../../src/core/index.ts";
import * as assert from "uvu/assert";
import { below, codeOf, readFile, writeFile, type Cases } from "./place.ts";

const MIB = 2 ** 20;

export const fileCases: Cases = {
  "bytes are read back from where they were written; a read ends at the file's end": ({ os, folder }) => {
    const path = below(folder(), "file");
    const fd = os.openWrite(path, { exclusive: true, truncate: false });
    os.write(fd, Buffer.from("world"), 6);
    os.write(fd, Buffer.from("hello "), 0);
    os.fsync(fd);
    assert.is(os.fstat(fd).sizeBytes, 11);
    os.truncate(fd, 8);
    os.close(fd);
    assert.is(
      codeOf(() => os.close(fd)),
      "EBADF",
    );
    assert.is(
      codeOf(() => os.openWrite(path, { exclusive: true, truncate: false })),
      "EEXIST",
    );
    const reading = os.openRead(path);
    const into = Buffer.alloc(20, "-");
    assert.is(os.read(reading, into, 2), 6);
    assert.is(into.toString(), "llo wo--------------");
    assert.is(os.read(reading, into, 8), 0);
    assert.is(
      codeOf(() => os.write(reading, into, 0)),
      "EBADF",
    );
    os.close(reading);
  },

  "a file is made whole, with mode and time, and never over another": ({ os, folder }) => {
    const path = below(folder(), "whole");
    const wanted = { bytes: Buffer.from("content"), mode: 0o4711, mtimeSeconds: 1_234_567, mtimeNanos: os.source === "native" ? 123_456_789 : 0 };
    const made = os.makeFile(path, wanted);
    const { inode, kind, sizeBytes, mode, mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos } = os.lstat(path);
    assert.equal([made.inode, made.kind, made.btimeSeconds, made.btimeNanos], [inode, kind, btimeSeconds, btimeNanos]);
    assert.equal({ sizeBytes, mode, mtimeSeconds, mtimeNanos }, { sizeBytes: 7, mode: 0o4711, mtimeSeconds: 1_234_567, mtimeNanos: wanted.mtimeNanos });
    assert.is(readFile(os, path).toString(), "content");
    assert.is(
      codeOf(() => os.makeFile(path, { ...wanted, bytes: Buffer.from("other") })),
      "EEXIST",
    );
    assert.is(readFile(os, path).toString(), "content");
    assert.is(os.makeFile(below(folder(), "empty"), { ...wanted, bytes: Buffer.alloc(0) }).sizeBytes, 0);
    assert.is(
      codeOf(() => os.makeFile(below(path, "under a file"), wanted)),
      "ENOTDIR",
    );
  },

  "only regular files are opened for reading, and a FIFO is never waited for": ({ os, folder }) => {
    const here = folder();
    assert.is(
      codeOf(() => os.openRead(here)),
      "EISDIR",
    );
    const maker = openOs();
    if (maker.source !== "native") return;
    maker.makeSpecial(below(here, "fifo"), "fifo", 0o600, 0);
    assert.is(
      codeOf(() => os.openRead(below(here, "fifo"))),
      "EINVAL",
    );
    assert.is(
      codeOf(() => os.openWrite(below(here, "fifo"), { exclusive: false, truncate: false })),
      "ENXIO",
    );
  },

  "reading leaves the access time alone": ({ os, folder, isNative }) => {
    const path = below(folder(), "file");
    writeFile(os, path, "content");
    const accessed = statSync(path, { bigint: true }).atimeNs;
    os.setTimes(path, 2_000_000_000, 0); // Newer than the access: a plain read would now move that.
    readFile(os, path);
    if (isNative) assert.is(statSync(path, { bigint: true }).atimeNs, accessed);
  },

  "a sparse file tells its data, and holes can be made": ({ os, folder, isNative }) => {
    const path = below(folder(), "sparse");
    const fd = os.openWrite(path, { exclusive: true, truncate: false });
    os.truncate(fd, 10 * MIB);
    os.write(fd, Buffer.alloc(65_536, 1), MIB);
    os.write(fd, Buffer.alloc(65_536, 2), 5 * MIB);
    os.fsync(fd);
    const ranges = os.dataRanges(fd, 0, 20 * MIB);
    if (isNative) assert.equal(ranges, [MIB, MIB + 65_536, 5 * MIB, 5 * MIB + 65_536]);
    else assert.equal(ranges, [0, 10 * MIB]);
    if (isNative) assert.equal(os.dataRanges(fd, MIB + 4096, 2 * MIB), [MIB + 4096, MIB + 65_536]);
    assert.equal(os.dataRanges(fd, 10 * MIB, 20 * MIB), []);
    const before = os.fstat(fd).allocatedBytes;
    assert.is(os.punchHole(fd, MIB, 65_536), isNative);
    if (isNative) {
      os.fsync(fd);
      assert.ok(os.fstat(fd).allocatedBytes <= before - 65_536);
      assert.equal(os.dataRanges(fd, 0, 10 * MIB), [5 * MIB, 5 * MIB + 65_536]);
      assert.ok(
        readFile(os, path)
          .subarray(MIB, MIB + 65_536)
          .every((byte) => byte === 0),
      );
    }
    assert.is(os.fstat(fd).sizeBytes, 10 * MIB);
    os.close(fd);
  },

  "a lock keeps every other descriptor out, of both implementations, until it is closed": ({ os, folder }) => {
    const path = below(folder(), "lock");
    const held = os.lockExclusive(path);
    assert.type(held, "number");
    for (const other of [openOs(), openOs({ only: "node" })]) assert.is(other.lockExclusive(path), undefined);
    os.close(held as number);
    for (const other of [openOs(), openOs({ only: "node" })]) {
      const fd = other.lockExclusive(path);
      assert.type(fd, "number");
      other.close(fd as number);
    }
    assert.is(
      codeOf(() => os.lockExclusive(below(path, "below a file"))),
      "ENOTDIR",
    );
  },

  "a lock goes with the process that held it": ({ os, folder }) => {
    const path = below(folder(), "lock");
    const os2 = fileURLToPath(new URL("../../../src/app/os/index.ts", import.meta.url));
    const code = `import { openOs } from ${JSON.stringify(os2)};
      const take = () => openOs({ only: "${os.source}" }).lockExclusive(process.argv[1]) ?? setTimeout(take, 5); // The test tries too.
      take(); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code, path], { stdio: "ignore" });
    try {
      assert.is(
        eventually(() => isTaken(os, path)),
        true,
      );
    } finally {
      child.kill("SIGKILL");
    }
    assert.is(
      eventually(() => !isTaken(os, path)),
      true,
    );
  },
};

function isTaken(os: Os, path: ByteString): boolean {
  const fd = os.lockExclusive(path);
  if (fd !== undefined) os.close(fd);
  return fd === undefined;
}

/** Asks again and again for up to ten seconds, without giving the event loop a turn. */
function eventually(holds: () => boolean): boolean {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 500; tries++) {
    if (holds()) return true;
    Atomics.wait(pause, 0, 0, 20);
  }
  return false;
}
