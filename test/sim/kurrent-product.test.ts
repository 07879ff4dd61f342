/** The whole product with its events on a server: chosen once, remembered, never left by itself, and moved there and back. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StandInServer } from "../support/esdb/index.ts";
import { dataDirectoryIn, rainbow, rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("the product with its events on a server");

interface Place {
  readonly server: StandInServer;
  readonly data: string;
  readonly folder: string;
}

async function place(): Promise<Place> {
  const base = temporaryDirectory("product");
  const server = await StandInServer.start(join(base, "server.lmdb"));
  const folder = join(base, "folder");
  mkdirSync(folder);
  writeFileSync(join(folder, "a.txt"), "first\n");
  return { server, data: dataDirectoryIn(base), folder };
}

const contentOf = ({ data, folder }: Place, at: string): string => rainbow(data, "cat", join(folder, `a.txt@${at}`)).stdout.toString();
const headOf = (data: string): unknown => rainbowLines(data, ["events"]).at(-1)?.["revision"];

test("the server that was named once is used by every later command and start, and a kill of it is survived", async () => {
  const where = await place();
  const { server, data, folder } = where;
  const up = await Up.start(data, [folder], { env: { RAINBOW_EVENTS: server.address } });
  rainbowJson(data, ["flush"]);
  rainbowJson(data, ["snapshot", "one"]);
  await server.kill();
  await server.restart();
  writeFileSync(join(folder, "a.txt"), "second\n");
  rainbowJson(data, ["flush"]);
  assert.is(contentOf(where, "one"), "first\n");
  assert.is(await up.stop(), 0);
  assert.is(statSync(join(data, "events.lmdb"), { throwIfNoEntry: false }), undefined, "nothing is kept beside it");
  assert.is(contentOf(where, "one"), "first\n", "a command without an instance finds the server by itself");
  const again = await Up.start(data, []);
  assert.is(contentOf(where, "now"), "second\n");
  await again.stop();
});

test("without its server nothing falls back to the embedded store", async () => {
  const { server, data, folder } = await place();
  const up = await Up.start(data, [folder], { env: { RAINBOW_EVENTS: server.address } });
  await up.stop();
  await server.kill();
  const outcome = rainbow(data, "snapshots");
  assert.is(outcome.status, 21);
  assert.match(outcome.stderr, /STORE_UNREACHABLE/);
  assert.is(statSync(join(data, "events.lmdb"), { throwIfNoEntry: false }), undefined);
});

test("a history is moved to a server and back, with ids and revisions, and is never left behind", async () => {
  const where = await place();
  const { server, data, folder } = where;
  const up = await Up.start(data, [folder]);
  rainbowJson(data, ["flush"]);
  rainbowJson(data, ["snapshot", "one"]);
  await up.stop();
  const events = rainbow(data, "events").stdout.toString();

  const early = rainbow(data, "up", "--events", server.address);
  assert.is(early.status, 10, early.stderr);
  assert.match(early.stderr, /events copy --from embedded/);

  const copied = rainbowLines(data, ["events", "copy", "--from", "embedded", "--to", server.address]);
  assert.equal(
    copied.map((item) => item["type"]),
    ["copied", "copied", "verified", "verified"],
    "the machine's and the audit's",
  );
  rainbow(data, "cat", join(folder, "a.txt"));
  const later = rainbow(data, "up", "--events", server.address);
  assert.is(later.status, 10, "the audit there has not what was asked for since");
  assert.match(later.stderr, /events copy --from embedded/);
  rainbowLines(data, ["events", "copy", "--from", "embedded", "--to", server.address]);
  const repeated = rainbowLines(data, ["events", "copy", "--from", "embedded", "--to", server.address]);
  assert.is(repeated[0]?.["eventCount"], 0, "a second run has nothing left to do");

  const there = await Up.start(data, [folder], { env: { RAINBOW_EVENTS: server.address } });
  writeFileSync(join(folder, "a.txt"), "on the server\n");
  rainbowJson(data, ["flush"]);
  await there.stop();
  assert.ok(rainbow(data, "events").stdout.toString().startsWith(events), "the same history, and more");
  assert.match(readFileSync(join(data, "EVENTS"), "utf8"), /esdb:/);
  assert.is(statSync(join(data, "EVENTS")).mode & 0o777, 0o600);

  const back = rainbow(data, "up", "--events", "embedded");
  assert.is(back.status, 10, "the embedded store has not what happened on the server");
  const head = headOf(data);
  rainbowLines(data, ["events", "copy", "--from", server.address, "--to", "embedded"]);
  const home = await Up.start(data, [], { env: { RAINBOW_EVENTS: "embedded" } });
  await home.stop();
  await server.kill();
  assert.ok(Number(headOf(data)) > Number(head));
  assert.is(contentOf(where, "one"), "first\n");
  assert.is(contentOf(where, "now"), "on the server\n");
});

test.run();
