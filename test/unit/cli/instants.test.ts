/** What people write for an instant, in several zones, against the zone's own clock. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatMoment, isoOfNanos, isoOfUs, isSnapshotName, parseDurationUs, parseInstant, splitPath } from "../../../src/cli/instants/index.ts";
import { momentsOf, offsetSeconds } from "../../../src/cli/instants/zones.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { ErrorCode, RainbowError } from "../../../src/core/index.ts";
import { campaignSeed } from "../../support/campaign.ts";

const SHANGHAI = "Asia/Shanghai";
const BERLIN = "Europe/Berlin"; // 2026: forward on 29 March 02:00, back on 25 October 03:00.
const ZONES = [
  "UTC",
  SHANGHAI,
  BERLIN,
  "America/New_York",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Cairo",
  "Pacific/Apia",
  "Pacific/Chatham",
];
const NOW = usOf("2026-11-20T10:00:00Z");

function usOf(iso: string): number {
  return Date.parse(iso) * 1000;
}

function at(text: string, zone = "UTC", nowUs = NOW): number {
  const words = parseInstant(text, { nowUs, zone });
  if (words.kind !== "time") throw new Error(`${text} is ${words.kind}`);
  return words.us;
}

function refusal(text: string, code: ErrorCode, zone = "UTC", nowUs = NOW): RainbowError {
  try {
    parseInstant(text, { nowUs, zone });
  } catch (error) {
    assert.ok(isRainbowError(error, code), `${text}: ${String(error)}`);
    return error as RainbowError;
  }
  throw new Error(`${text} was taken`);
}

const test = suite("instants");

test("now, revisions and names are told apart", () => {
  const options = { nowUs: NOW, zone: "UTC" };
  assert.equal(parseInstant("now", options), { kind: "now" });
  assert.equal(parseInstant("r4821", options), { kind: "revision", revision: 4821 });
  assert.equal(parseInstant("before-upgrade", options), { kind: "name", name: "before-upgrade" });
  assert.equal(parseInstant("release 2", options), { kind: "name", name: "release 2" });
  assert.equal(parseInstant("rc1", options), { kind: "name", name: "rc1" });
});

test("spans are ago", () => {
  assert.is(at("10m"), NOW - 600e6);
  assert.is(at("2h"), NOW - 7200e6);
  assert.is(at("3d"), NOW - 3 * 86_400e6);
  assert.is(at("1w"), NOW - 7 * 86_400e6);
  assert.is(at("1h30m"), NOW - 5400e6);
  assert.is(at("1.5s"), NOW - 1_500_000);
  assert.is(parseDurationUs("2h"), 7200e6);
  assert.is(parseDurationUs("h"), undefined);
});

test("ISO times with and without zone and fraction", () => {
  assert.is(at("2026-05-01T17:00:00+08:00"), usOf("2026-05-01T09:00:00Z"));
  assert.is(at("2026-05-01T17:00:00.123456789+0800"), usOf("2026-05-01T09:00:00Z") + 123_456);
  assert.is(at("2026-05-01 17:00:00.123 +08:00"), usOf("2026-05-01T09:00:00.123Z"));
  assert.is(at("2026-05-01T17:00Z", SHANGHAI), usOf("2026-05-01T17:00:00Z"));
  assert.is(at("2026-05-01T17:00-03", SHANGHAI), usOf("2026-05-01T20:00:00Z"));
  assert.is(at("2026-05-01 17:00", SHANGHAI), usOf("2026-05-01T09:00:00Z"));
  assert.is(at("2026-05-01", SHANGHAI), usOf("2026-04-30T16:00:00Z"));
  assert.is(at("1969-12-31"), usOf("1969-12-31T00:00:00Z"));
});

test("times of day and named days follow the user's clock, not UTC", () => {
  assert.is(at("17:00", SHANGHAI), usOf("2026-11-20T09:00:00Z"));
  assert.is(at("7:05:09.5", SHANGHAI), usOf("2026-11-19T23:05:09.500Z"));
  assert.is(at("yesterday", SHANGHAI), usOf("2026-11-18T16:00:00Z"));
  assert.is(at("yesterday 17:00", SHANGHAI), usOf("2026-11-19T09:00:00Z"));
  assert.is(at("today", SHANGHAI), usOf("2026-11-19T16:00:00Z"));
  assert.is(at("today 01:00", "Pacific/Apia", usOf("2026-05-01T12:00:00Z")), usOf("2026-05-01T12:00:00Z"));
});

test("what is still to come is refused with the choices", () => {
  assert.equal(refusal("17:00", "INSTANT_FUTURE").facts["choices"], ["yesterday 17:00", "now"]);
  assert.equal(refusal("2027-01-01", "INSTANT_FUTURE").facts["choices"], ["now"]);
  assert.match(refusal("18:30", "INSTANT_FUTURE", SHANGHAI).message, /'18:30' is 2026-11-20 18:30:00\.000 \+08:00/);
});

test("an hour that came twice is refused with both", () => {
  const { facts, message } = refusal("2026-10-25 02:30", "INSTANT_AMBIGUOUS", BERLIN);
  assert.equal(facts["choices"], ["2026-10-25 02:30:00 +02:00", "2026-10-25 02:30:00 +01:00"]);
  assert.match(message, /set back/);
  assert.equal(
    (facts["choices"] as string[]).map((choice) => at(choice, BERLIN)),
    [usOf("2026-10-25T00:30:00Z"), usOf("2026-10-25T01:30:00Z")],
  );
});

test("an hour that never was is refused with the seconds around it", () => {
  const { facts, message } = refusal("2026-03-29 02:30", "INSTANT_AMBIGUOUS", BERLIN);
  assert.equal(facts["choices"], ["2026-03-29 01:59:59 +01:00", "2026-03-29 03:00:00 +02:00"]);
  assert.match(message, /set forward/);
  assert.equal(refusal("2011-12-30", "INSTANT_AMBIGUOUS", "Pacific/Apia").facts["choices"], ["2011-12-29 23:59:59 -10:00", "2011-12-31 00:00:00 +14:00"]);
});

test("mistakes are named, not taken for snapshots", () => {
  for (const text of [
    "",
    " ",
    "2026-02-30",
    "2026-13-01",
    "25:00",
    "12:60",
    "2026-05-01 12:00:61",
    "2026-05-01x",
    "yesterday noon",
    "a@b",
    "a/b",
    "12",
    "-1h",
    "2026-05-01T10:00+99:00",
  ])
    refusal(text, "INSTANT_INVALID");
});

test("snapshots cannot have names that mean something else", () => {
  for (const name of ["a", "v1.2", "vor-dem-Umzug", "größer", "before upgrade"]) assert.ok(isSnapshotName(name), name);
  for (const name of ["now", "r12", "10m", "2026-05-01", "17:00", "yesterday", "a@b", "a/b", "-x", " a", "a ", "", "x".repeat(201), "a\nb", "42"])
    assert.not(isSnapshotName(name), name);
});

test("PATH@INSTANT splits at the last @, and only before an instant", () => {
  const options = { nowUs: NOW, zone: "UTC" };
  assert.is(splitPath("a@b@10m", options)?.path, "a@b");
  assert.equal(splitPath("@r7", options), { path: "", words: "r7", instant: { kind: "revision", revision: 7 } });
  assert.equal(splitPath("me@host", options)?.instant, { kind: "name", name: "host" });
  for (const path of ["a", "a@", "a@b/c", "x@2026-02-30"]) assert.is(splitPath(path, options), undefined, path);
  assert.ok(isRainbowError(splitPath("a@2027-01-01", options)?.instant, "INSTANT_FUTURE"));
});

test("moments are written with the zone of the day", () => {
  assert.is(formatMoment(usOf("2026-05-01T09:00:00.123Z") + 999, SHANGHAI), "2026-05-01 17:00:00.123 +08:00");
  assert.is(formatMoment(usOf("2026-01-01T00:00:00Z"), BERLIN), "2026-01-01 01:00:00.000 +01:00");
  assert.is(formatMoment(-1, "UTC"), "1969-12-31 23:59:59.999 +00:00");
  assert.is(isoOfUs(usOf("2026-05-01T09:00:00.123Z") + 456), "2026-05-01T09:00:00.123456Z");
  assert.is(isoOfUs(-1), "1969-12-31T23:59:59.999999Z");
  assert.is(isoOfNanos(0, 7), "1970-01-01T00:00:00.000000007Z");
});

const moment = fc.integer({ min: 100_000_000, max: 1_795_000_000 });
const zone = fc.constantFrom(...ZONES);

test("the offset of every zone is what Intl says, cached or not", () => {
  const property = fc.property(moment, zone, (seconds, name) => {
    const said = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" }).format(seconds * 1000);
    const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?$/.exec(said) ?? [];
    assert.is(offsetSeconds(name, seconds), (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60) + 0);
  });
  fc.assert(property, { seed: campaignSeed(), numRuns: 300 });
});

test("a moment written out is read back as itself, unless its hour came twice", () => {
  const property = fc.property(moment, zone, (seconds, name) => {
    const options = { nowUs: NOW, zone: name };
    const text = formatMoment(seconds * 1e6 + 123_000, name);
    assert.equal(parseInstant(text, options), { kind: "time", us: seconds * 1e6 + 123_000, text });
    const moments = momentsOf(name, seconds + offsetSeconds(name, seconds));
    assert.ok(moments.includes(seconds));
    const local = text.slice(0, 23);
    if (moments.length > 1) refusal(local, "INSTANT_AMBIGUOUS", name);
    else assert.is(at(local, name), seconds * 1e6 + 123_000);
  });
  fc.assert(property, { seed: campaignSeed(), numRuns: 500 });
});

test("around every change of clocks, each local second has as many moments as the clock showed it", () => {
  const change = fc.tuple(zone, moment).map(([name, seconds]) => ({ name, seconds: lastChange(name, seconds) }));
  const property = fc.property(change, fc.integer({ min: -10_000, max: 10_000 }), ({ name, seconds }, delta) => {
    if (seconds === undefined) return;
    const local = seconds + offsetSeconds(name, seconds) + delta;
    const shown = [offsetSeconds(name, seconds - 1), offsetSeconds(name, seconds)]
      .map((offset) => local - offset)
      .filter((m) => m + offsetSeconds(name, m) === local);
    assert.equal(
      momentsOf(name, local),
      [...new Set(shown)].sort((a, b) => a - b),
    );
  });
  fc.assert(property, { seed: campaignSeed(), numRuns: 200 });
});

/** The last moment at or before `seconds` at which the zone's offset changed, within a year. */
function lastChange(name: string, seconds: number): number | undefined {
  for (let day = 0; day < 366; day++) {
    let [low, high] = [seconds - (day + 1) * 86_400, seconds - day * 86_400];
    if (offsetSeconds(name, low) === offsetSeconds(name, high)) continue;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetSeconds(name, middle) === offsetSeconds(name, low)) low = middle;
      else high = middle;
    }
    return high;
  }
  return undefined;
}

test.run();
