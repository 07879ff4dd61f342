/** Time of this machine; the systemd unit's text. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock, systemRandom } from "../../../src/app/platform.ts";
import { unitName, unitText } from "../../../src/app/service.ts";

const test = suite("platform");

test("the clock shows microseconds of wall time, and never goes back on the monotonic side", async () => {
  const clock = systemClock();
  const shownUs = clock.now();
  assert.ok(Math.abs(shownUs - Date.now() * 1000) < 50_000);
  assert.ok(Number.isSafeInteger(shownUs));
  let last = clock.monotonicUs();
  for (let i = 0; i < 1000; i++) {
    const next = clock.monotonicUs();
    assert.ok(next >= last && Number.isSafeInteger(next));
    last = next;
  }
});

test("sleep ends on time, or early by the signal, and leaves no listener behind", async () => {
  const clock = systemClock();
  const startUs = clock.monotonicUs();
  await clock.sleep(20);
  assert.ok(clock.monotonicUs() - startUs >= 19_000);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 10);
  await clock.sleep(60_000, abort.signal);
  await clock.sleep(60_000, abort.signal);
  assert.ok(clock.monotonicUs() - startUs < 10e6);
});

test("chance is long enough and differs", () => {
  const random = systemRandom();
  assert.is(random.bytes(32).length, 32);
  assert.not.equal(random.bytes(16), random.bytes(16));
  assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});

const SERVICE = {
  scope: "system",
  dataDirectory: '/data/my "100%" $dir',
  isDefaultDirectory: false,
  node: "/opt/node/bin/node",
  program: "/opt/rain bow/bin/rainbow",
  home: "/root",
  configDirectory: undefined,
} as const;

test("the unit names Node and the program by absolute path, and quotes what systemd would read otherwise", () => {
  const text = unitText(SERVICE);
  assert.match(text, /^ExecStart="\/opt\/rain bow\/bin\/rainbow" up --data-dir "\/data\/my \\"100%%\\" \$\$dir"$/m);
  assert.match(text, /^Environment=PATH=\/opt\/node\/bin:/m);
  assert.match(text, /^WantedBy=multi-user\.target$/m);
  assert.match(unitText({ ...SERVICE, scope: "user" }), /^WantedBy=default\.target$/m);
});

test("a data directory of one's own choice has a unit of its own", () => {
  assert.is(unitName({ dataDirectory: "/x", isDefaultDirectory: true }), "rainbow.service");
  const [a, b] = ["/a", "/b"].map((dataDirectory) => unitName({ dataDirectory, isDefaultDirectory: false }));
  assert.match(a!, /^rainbow-[0-9a-f]{8}\.service$/);
  assert.is.not(a, b);
});

test.run();
