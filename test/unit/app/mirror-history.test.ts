/** What a mirror's stream says of its syncs: how the newest one went, and whether it has an end. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { syncHistory } from "../../../src/app/mirroring/index.ts";
import type { MirrorFact } from "../../../src/projections/index.ts";
import { StoredMirror } from "../../support/stored-mirror.ts";

const COUNTS = {
  entryCount: 3,
  totalBytes: 5,
  arrivedCount: 2,
  touchedCount: 0,
  withdrawnCount: 0,
  fetchedBytes: 5,
  reusedBytes: 0,
  receivedBytes: 9,
  sentBytes: 1,
};
const STARTED: MirrorFact = { type: "SyncStarted", cause: "schedule" };
const FINISHED: MirrorFact = { type: "SyncFinished", ...COUNTS, queuedCount: 0, ioError: 0, heldBecause: "", heldBy: "" as never };
const FAILED: MirrorFact = { type: "SyncFailed", code: "RSYNC_ENDED", message: "the connection ended" };

const test = suite("mirror: what its stream says of its syncs");

test("a sync without an end is open, whatever became of those before it", async () => {
  const mirror = await StoredMirror.make();
  const files = await mirror.opened.files();
  const after = async (...facts: readonly MirrorFact[]): Promise<[boolean, string]> => {
    await files.record(facts);
    const { isOpen, failure } = await syncHistory(mirror.store, mirror.opened.machine.stream);
    return [isOpen, failure];
  };
  assert.equal(await after(), [false, ""]);
  assert.equal(await after(STARTED), [true, ""]);
  assert.equal(await after(FINISHED), [false, ""]);
  assert.equal(await after(STARTED), [true, ""]);
  assert.equal(await after(STARTED, FAILED), [false, "the connection ended"], "the one that was cut off is history");
  assert.equal(await after(STARTED), [true, "the connection ended"], "what failed is told until another one ends");
  const { finished, lastUpdatedUs } = await syncHistory(mirror.store, mirror.opened.machine.stream);
  assert.equal([finished?.entryCount, lastUpdatedUs !== undefined], [3, true]);
  await mirror.opened.close();
});

test.run();
