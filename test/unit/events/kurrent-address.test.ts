/** Addresses of a server: what is understood, what is refused by name, and what is never shown. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import { parseAddress } from "../../../src/events/kurrent/address.ts";

const test = suite("addresses of an event store's server");

test("hosts, credentials and options are understood, and Rainbow adds its own", () => {
  const address = parseAddress("esdb://admin:p%40ss@a.example:2113,b.example?tlsVerifyCert=false&nodePreference=follower");
  assert.equal(address.hosts, [
    { host: "a.example", port: 2113 },
    { host: "b.example", port: 2113 },
  ]);
  assert.equal(address.credentials, { username: "admin", password: "p@ss" });
  assert.is(address.isTls, true);
  assert.is(address.verifiesCertificate, false);
  assert.match(address.connectionString, /^kurrentdb:\/\/admin:p%40ss@a\.example:2113,b\.example\?/);
  assert.match(address.connectionString, /nodePreference=follower/);
  assert.match(parseAddress("kurrentdb+discover://cluster.example").connectionString, /^kurrentdb\+discover:\/\/cluster\.example\?nodePreference=leader/);
});

test("a relative path of the CA file is made absolute, so that later commands find it from anywhere", () => {
  const { caFile, text } = parseAddress("esdb://a?tlsCAFile=ca.pem");
  assert.match(caFile ?? "", /^\/.*ca\.pem$/);
  assert.ok(text.includes(encodeURIComponent(caFile ?? "?")));
});

test("the password is never shown", () => {
  assert.is(parseAddress("esdb://admin:secret@a:1").shown, "esdb://admin:…@a:1");
  assert.not.match(refusal("esdb://admin:secret@a:1?nonsense=1"), /secret/);
});

test("what is not understood is refused by name", () => {
  assert.match(refusal("http://a:2113"), /no address of an event store/);
  assert.match(refusal("esdb://"), /no address of an event store/);
  assert.match(refusal("esdb://a:99999"), /no address of an event store/);
  assert.match(refusal("esdb://a?throwOnAppendFailure=false"), /unknown option 'throwOnAppendFailure'/);
  assert.match(refusal("esdb://a?tls=no"), /gives tls the value 'no'/);
});

function refusal(text: string): string {
  try {
    parseAddress(text);
  } catch (error) {
    if (isRainbowError(error, "USAGE")) return error.message;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

test.run();
