/** The configuration file: what it may say, what is refused and where, and which word goes first. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { POLICY_WORDS } from "../../../src/actors/retention/index.ts";
import { checkConfig } from "../../../src/app/check-config.ts";
import { eventsAddress, NO_CONFIG, parseConfig, readConfig } from "../../../src/app/config.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import { REPOSITORY } from "../../runner/workspace.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const base = temporaryDirectory("config");
let count = 0;
const fileOf = (text: string): string => {
  const file = join(base, `${count++}.json`);
  writeFileSync(file, text);
  return file;
};
const surroundings = { env: {}, uid: 1000, home: "/home/me", cwd: "/here" };

function refusal(text: string): string {
  try {
    parseConfig(fileOf(text));
  } catch (error) {
    if (isRainbowError(error, "CONFIG_REFUSED")) return error.message.replace(/^.*?\.json:/, "");
    throw error;
  }
  return "none";
}

const test = suite("configuration file");

test("everything it may say is read as plain values", () => {
  const config = parseConfig(
    fileOf(`{
      "dataDirectory": "/srv/rainbow",
      "events": "esdb://node1:2113,node2:2113?tlsCAFile=/etc/ca.crt",
      "eventsCredentialsFile": "events-credentials",
      "roots": [{ "path": "/home", "exclude": ["*.o", "tmp/"], "maxFileSize": "10G" }, { "path": "/etc/", "crossMounts": true }],
      "policy": { "keep": "90d", "daily": 7 }
    }`),
  );
  assert.equal(
    [config.dataDirectory, config.events, config.eventsCredentialsFile],
    ["/srv/rainbow", "esdb://node1:2113,node2:2113?tlsCAFile=/etc/ca.crt", join(base, "events-credentials")],
  );
  assert.equal(config.roots, [
    { path: "/home", options: { rules: ["*.o", "tmp/"], crossMounts: false, fileBytesMax: 10 * 2 ** 30 } },
    { path: "/etc", options: { rules: [], crossMounts: true, fileBytesMax: 0 } },
  ] as never);
  assert.equal(config.policyWords, ["keep=90d", "daily=7"]);
});

test("what it may not say is refused with its line", () => {
  assert.match(refusal('{\n "dataDir": "/x"\n}'), /^2: unknown key 'dataDir'; known here are dataDirectory, events,/);
  assert.match(refusal('{\n "roots": [\n  {"path": "/a"},\n  {"path": "b"}\n ]\n}'), /^4: 'b' is no absolute path/);
  assert.match(refusal('{ "policy": {\n "forever": 1 } }'), /^2: unknown key 'forever'; known here are every, keep/);
  assert.match(refusal('{ "policy": { "keep": "long" } }'), /^1: keep takes a number with its unit/);
  assert.match(refusal('{ "events": "esdb://me:secret@node:2113" }'), /^1: no user and password here/);
  assert.match(refusal('{ "events": "http://node" }'), /^1: events is 'embedded', esdb/);
  assert.match(refusal('{ "eventsCredentialsFile": "x" }'), /^1: eventsCredentialsFile goes with an address/);
  assert.match(refusal('{ "roots": [{ "path": "/a", "maxFileSize": "much" }] }'), /^1: 'much' is no size/);
  assert.match(refusal('{\n "events": "embedded",\n "events": "embedded"\n}'), /^3: 'events' stands there twice/);
  for (const [text, why] of [
    ["{", /^1: a key in quotes is missing/],
    ['{ "roots": [] ', /^1: ',' is missing/],
    ['{ "roots": 1 }', /^1: a list is wanted/],
    ["[]", /^1: an object is wanted/],
    ["{}\nx", /^2: something follows the end/],
    ["", /^1: it ends too early/],
    ['{ "roots": [{ "path": "/a", "crossMounts": "yes" }] }', /^1: true or false/],
    ['{ "dataDirectory": "' + "\u0001" + '" }', /^1: there is no value|^1: it ends/],
  ] as const)
    assert.match(refusal(text), why);
  assert.match(refusal("[".repeat(100)), /nested too deeply/);
});

test("the keys of the policy are those that a policy has", async () => {
  const policy = Object.fromEntries(Object.entries(POLICY_WORDS).map(([key, { kind }]) => [key, { time: "30d", count: 3, size: "9G" }[kind]]));
  const config = parseConfig(fileOf(JSON.stringify({ policy })));
  assert.is(config.policyWords.length, Object.keys(POLICY_WORDS).length);
  await checkConfig(config);
  const wrong = await checkConfig(parseConfig(fileOf('{ "policy": { "keep": "1d", "window": "9d" } }'))).catch((error: unknown) => error);
  assert.ok(isRainbowError(wrong, "USAGE"));
});

test("user and password come from a file of their own that nobody else can read", () => {
  const credentials = join(base, "credentials");
  writeFileSync(credentials, "rainbow:p@ss/word\n");
  chmodSync(credentials, 0o600);
  const config = parseConfig(fileOf(JSON.stringify({ events: "esdb+discover://events.example:2113?tls=true", eventsCredentialsFile: credentials })));
  assert.is(eventsAddress(config), "esdb+discover://rainbow:p%40ss%2Fword@events.example:2113?tls=true");
  chmodSync(credentials, 0o640);
  assert.throws(() => eventsAddress(config), /others can read it: chmod 600 it/);
  assert.is(eventsAddress(NO_CONFIG), undefined);
});

test("a named file must be there; the one at the default place counts only for its own data directory", () => {
  const file = fileOf('{ "dataDirectory": "/srv/rainbow" }');
  assert.is(readConfig(file, "/elsewhere", surroundings).file, file);
  assert.is(readConfig(undefined, undefined, { ...surroundings, env: { RAINBOW_CONFIG: file } }).file, file);
  assert.throws(() => readConfig("/no/such/file", undefined, surroundings), /cannot be read \(ENOENT\)/);
  assert.throws(() => readConfig("", undefined, surroundings), /name is empty/);
  assert.is(readConfig(undefined, undefined, surroundings), NO_CONFIG);
  const home = join(base, "home");
  mkdirSync(join(home, ".config/rainbow"), { recursive: true });
  const own = join(home, ".config/rainbow/rainbow.json");
  writeFileSync(own, '{ "dataDirectory": "/srv/rainbow" }');
  const at = (dataDirectory: string | undefined): string | undefined => readConfig(undefined, dataDirectory, { ...surroundings, home }).file;
  assert.equal([at(undefined), at("/srv/rainbow"), at("/elsewhere")], [own, own, undefined]);
  writeFileSync(own, "{}");
  assert.equal([at(undefined), at(join(home, ".local/share/rainbow")), at("/elsewhere")], [own, own, undefined]);
});

test("the example is right, and holds no password", async () => {
  const config = parseConfig(join(REPOSITORY, "infra/rainbow.json"));
  assert.ok(config.roots.length > 0 && config.policyWords.length > 0);
  await checkConfig({ ...config, eventsCredentialsFile: undefined });
});

test.run();
