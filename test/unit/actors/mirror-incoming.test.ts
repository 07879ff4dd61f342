/** The content of a file on its way in: what a broken one leaves to be gone on with. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lengthBytesOf, resumeUploads } from "../../../src/actors/mirror/broken-uploads.ts";
import { Incoming } from "../../../src/actors/mirror/incoming.ts";
import { openXxh3 } from "../../../src/app/os/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import type { ObjectStore, Upload } from "../../../src/objects/index.ts";
import { openDigests } from "../../../src/rsync/index.ts";
import type { Agreement, Entry } from "../../../src/rsync/index.ts";

const test = suite("mirror: a file on its way in");
const digests = await openDigests(openXxh3());
const agreement: Agreement = { protocol: 32, compat: 510, isIncremental: true, digest: "xxh128", compressor: undefined, seed: 7 };
const SUMS_MAX = 2 ** 20; // As many as are kept of one file.
const MIB = 2 ** 20;

/** Counts what it is given. */
class CountingStore {
  readonly features = { keepsVersions: false, isTree: false };
  readonly wholeBytesMax = 4 * MIB;
  resumedBytesMax = 0;
  isSuspended = false;
  private writtenBytes = 0;

  begin(): Promise<Upload> {
    return Promise.resolve(this.upload());
  }

  resume(_token: string, _upload: unknown, bytesMax: number): Promise<Upload> {
    this.resumedBytesMax = bytesMax;
    this.writtenBytes = Math.min(this.writtenBytes, bytesMax);
    return Promise.resolve(this.upload());
  }

  private upload(): Upload {
    const upload = {
      token: "token",
      writtenBytes: this.writtenBytes,
      write: (bytes: Uint8Array) => void (this.writtenBytes = upload.writtenBytes += bytes.length),
      suspend: () => Promise.resolve(void (this.isSuspended = true)),
    };
    return upload as unknown as Upload;
  }
}

test("a broken file that is longer than its sums reach is gone on with from where they end", async () => {
  const counting = new CountingStore();
  const store = counting as unknown as ObjectStore;
  const times = { mtimeSeconds: 1, mtimeNanos: 0, mode: 0o100644, linkTarget: undefined };
  const entry = { path: "grows" as ByteString, kind: "file", sizeBytes: 200_000, ...times } as unknown as Entry;
  const incoming = new Incoming({
    store,
    entry,
    key: entry.path,
    source: undefined,
    resumed: undefined,
    agreement,
    digests,
    supply: () => undefined,
    checkpoints: undefined,
  });
  const piece = Buffer.alloc(MIB);
  const pieceCount = Math.ceil((SUMS_MAX * 700) / MIB) + 20; // The size that was announced has blocks of 700 bytes.
  for (let i = 0; i < pieceCount; i++) await incoming.data(piece);
  const broken = await incoming.suspend();
  assert.ok(counting.isSuspended && broken !== undefined);
  assert.equal([broken.sums.blockCount, broken.sums.blockBytes], [SUMS_MAX, 700]);
  const resumed = (await resumeUploads(store, [broken])).get(entry.path);
  assert.is(counting.resumedBytesMax, SUMS_MAX * 700);
  assert.is(lengthBytesOf(resumed!.sums), SUMS_MAX * 700);
});

test.run();
