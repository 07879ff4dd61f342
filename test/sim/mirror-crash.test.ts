/** A process that records a mirror's facts is killed at random moments: what was answered is listed, each call whole, and the queue is what it was told. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../src/core/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import type { FileEntry, FileList, MirrorFiles } from "../../src/projections/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { temporaryDirectory } from "../support/temp.ts";

const CHILD = join(import.meta.dirname, "mirror-crash-child.ts");

/** Runs the child for `lifeMs` from its first word on; returns the calls that were answered. */
function recordUntilKilled(directory: string, round: string, lifeMs: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, directory, round], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (output === "") setTimeout(() => child.kill("SIGKILL"), lifeMs);
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (_, signal) =>
      signal === "SIGKILL" ? resolve(output.split("\n").slice(1, -1).map(Number)) : reject(new Error(`the child ended by itself: ${output}`)),
    );
  });
}

/** The calls of a round that are in the list, each whole; later ones touched and took away what they said. */
function checkRound(list: FileList, round: string): Set<number> {
  const at = (path: string): FileEntry | undefined => list.entry(path as ByteString);
  const there = new Set([...list.children(round as ByteString)].map(({ path }) => Number(path.slice(path.lastIndexOf("/") + 1))));
  for (const index of there) {
    const names = [...list.children(`${round}/${index}` as ByteString)].map(({ path }) => path.slice(-1)).join("");
    assert.is(names, there.has(index + 2) ? "ac" : "abc", `${round}/${index}`);
    const touched = there.has(index + 1) ? index + 1 : index;
    assert.equal([at(`${round}/${index}/a`)?.mtimeSeconds, at(`${round}/${index}/c`)?.mtimeSeconds], [touched, index], `${round}/${index}`);
  }
  return there;
}

function checkLate(files: MirrorFiles, round: string, there: ReadonlySet<number>): void {
  const late = new Set(files.lateAttributes.some("" as ByteString, 100_000).map(({ path }) => path as string));
  for (const index of there) if (there.has(index + 1)) assert.ok(late.has(`${round}/${index}/a`), `${round}/${index}/a is late`);
}

const test = suite("crash of a process that records a mirror");

test("after kill -9 at any moment all that was answered is there, and nothing by halves", async () => {
  const random = seededRandom(campaignSeed());
  const directory = join(temporaryDirectory("crash"), "mirror");
  let answeredCount = 0;
  for (let i = 0; i < scale(30); i++) {
    const round = `round${i}`;
    const answered = await recordUntilKilled(directory, round, random.int(400));
    answeredCount += answered.length;
    const store = await openLmdbEventStore({ path: join(directory, "events.lmdb") });
    const { opened } = await StoredMirror.at(directory, store, false);
    const files = await opened.files();
    const list = await files.list();
    const there = checkRound(list, round);
    for (const index of answered) assert.ok(there.has(index), `${round}: call ${index} was answered`);
    const queued = answered.filter((index) => index % 7 === 0).map((index) => `${round}/${index}` as ByteString);
    assert.equal(files.deletions.queued(queued), queued);
    checkLate(files, round, there);
    list.close();
    assert.is(opened.machine.projection.ignoredCount, 0);
    await opened.close();
    await store.close();
  }
  console.log(`${answeredCount} answered calls`);
  assert.ok(answeredCount > 0);
});

test.run();
