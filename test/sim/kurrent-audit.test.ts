// Time limit: 300 s
/** The audit of a product whose events are on a server: who asked is there, history is proven whole, and tampering on the server is found. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StandInServer } from "../support/esdb/index.ts";
import { dataDirectoryIn, rainbow, rainbowJson, rainbowLines, Up } from "../support/rainbow-process.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("audit with events on a server");
const REAL = process.env["RAINBOW_ESDB_URL"] ?? "";

async function walkThrough(address: string): Promise<void> {
  const base = temporaryDirectory("kurrent-audit");
  const [data, folder] = [dataDirectoryIn(base), join(base, "folder")];
  mkdirSync(folder);
  const file = join(folder, "a.txt");
  writeFileSync(file, "first\n");
  const up = await Up.start(data, [folder], { env: { RAINBOW_EVENTS: address } });
  const machine = String(rainbowJson(data, ["status"])["machine"]);
  rainbowJson(data, ["flush"]);
  rainbowJson(data, ["snapshot", "one"]);
  writeFileSync(file, "second\n");
  rainbowJson(data, ["flush"]);
  assert.is(rainbow(data, "cat", `${file}@one`).stdout.toString(), "first\n");
  assert.is(rainbow(data, "restore", `${folder}@one`, "--to", join(base, "back")).status, 0);
  rainbow(data, "policy", "set", "keep=60d");
  const asked = rainbowLines(data, ["audit"]).filter(({ source }) => source === "asked");
  assert.equal(asked.map(({ operation, result }) => `${operation as string} ${result as string}`).toReversed(), [
    "addRoot done",
    "snapshot done",
    "read done",
    "restore started",
    "restore done",
    "setPolicy done",
  ]);
  const writes = rainbowLines(data, ["audit", file, "--what", "write"]).map(({ detail }) => detail);
  assert.match(writes.join("\n"), /^written 7 bytes.*\ncreated, written 6 bytes$/);
  const ofMachine = ["--machine", machine];
  const head = rainbow(data, "audit", "head", ...ofMachine)
    .stdout.toString()
    .trim();
  assert.match(head, new RegExp(`^host-audit-${machine}@\\d+:[0-9a-f]{64},machine-${machine}@\\d+:[0-9a-f]{64}$`));
  assert.is(rainbow(data, "audit", "--verify", "--head", head, ...ofMachine).status, 0);
  rainbowLines(data, ["rebase", "--to", "now"]);
  await up.stop();
  const { status, stdout, stderr } = rainbow(data, "audit", "--verify", ...ofMachine);
  assert.is(status, 0, stderr);
  assert.match(stdout.toString(), /older events were let go[\s\S]*history is whole/);
  const forged = rainbow(data, "audit", "--verify", "--head", `${head.split(":")[0]}:${"ab".repeat(32)}`, ...ofMachine);
  assert.is(forged.status, 30);
  assert.match(forged.stdout.toString(), /host-audit-.* up to there history is another one than the head that was kept knows/);
  assert.is(rainbow(data, "replay", "--to", "now", "--into", join(base, "replay")).status, 0);
  assert.is(rainbow(join(base, "replay"), "cat", file).stdout.toString(), "second\n");
  rmSync(base, { recursive: true, force: true });
}

test("on the stand-in", async () => {
  const server = await StandInServer.start(join(temporaryDirectory("kurrent-audit-server"), "server.lmdb"));
  try {
    await walkThrough(server.address);
  } finally {
    await server.kill();
  }
});

test("on a real server", async () => {
  if (REAL === "") return skipped("audit on a real server", "RAINBOW_ESDB_URL names none");
  await walkThrough(REAL);
});

test("status names the server, and never its password", async () => {
  const base = temporaryDirectory("kurrent-status");
  const server = await StandInServer.start(join(base, "server.lmdb"));
  const folder = join(base, "folder");
  mkdirSync(folder);
  const data = dataDirectoryIn(base);
  const address = server.address.replace("://", "://somebody:topsecret@");
  const up = await Up.start(data, [folder], { env: { RAINBOW_EVENTS: address } });
  const { stdout } = rainbow(data, "status");
  assert.match(stdout.toString(), /events: +esdb:\/\/.*127\.0\.0\.1/);
  assert.not.match(stdout.toString(), /topsecret/);
  assert.not.match(JSON.stringify(rainbowJson(data, ["status"])), /topsecret/);
  await up.stop();
  await server.kill();
});

test.run();
