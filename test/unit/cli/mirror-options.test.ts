/** The options of mirrors: what words become, and that the table of rsync's options leaves none out. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MirrorSyncRequest, MirrorWords } from "../../../src/app/index.ts";
import { settingsOfWords, parseSource, parseTarget, targetOf } from "../../../src/app/mirroring/index.ts";
import { settingsText } from "../../../src/cli/mirror-settings.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import { REPOSITORY } from "../../runner/workspace.ts";
import { hasCommand, skipped } from "../../support/skip.ts";
import { rainbow } from "./fake-context.ts";

/** As a shell takes them apart. */
const shellWords = (text: string): string[] =>
  spawnSync("bash", ["-c", `printf '%s\\0' ${text}`])
    .stdout.toString()
    .split("\0")
    .slice(0, -1);

const test = suite("cli: mirror options");
const table = readFileSync(join(REPOSITORY, "src/rsync/OPTIONS.md"), "utf8");

/** The words of `mirror sync` as they reach the operations. */
async function wordsOf(...options: string[]): Promise<MirrorWords> {
  const requests: MirrorSyncRequest[] = [];
  const operations = {
    async *mirrorSync(request: MirrorSyncRequest) {
      requests.push(request);
      yield* [];
    },
  };
  const readLines = (): string[] => ["# a comment", "", "; another", "+ kept", "*.iso", "!"];
  const { exitCode, stderr } = await rainbow(["mirror", "sync", ...options], { operations, machine: { readLines } });
  if (exitCode !== 0) throw new Error(stderr);
  return requests[0]!.words;
}

test("each option becomes a setting, and what is not given is not there", async () => {
  assert.equal(await wordsOf(), {});
  const cases: [string[], MirrorWords][] = [
    [["--delete"], { deletes: true }],
    [["--delete-after"], { deletes: true }],
    [["--no-delete"], { deletes: false }],
    [["--delete-grace", "2h"], { deleteGraceMs: 7_200_000 }],
    [["--max-delete", "0"], { maxDelete: 0 }],
    [["--delete-excluded"], { deleteExcluded: true }],
    [["--no-delete-excluded"], { deleteExcluded: false }],
    [["--safe-links", "-c"], { safeLinks: true, checksum: true }],
    [["--no-partial"], { partial: false }],
    [["--bwlimit", "500"], { bytesPerSecondMax: 512_000 }],
    [["--bwlimit", "1.5m"], { bytesPerSecondMax: 1_572_864 }],
    [["--bwlimit", "10MB"], { bytesPerSecondMax: 10_000_000 }],
    [["--bwlimit", "0"], { bytesPerSecondMax: 0 }],
    [["--contimeout", "5", "--timeout", "0"], { connectMs: 5000, silenceMs: 0 }],
    [["--connections", "4"], { connections: 4 }],
    [["--address", "127.0.0.1", "-6"], { localAddress: "127.0.0.1", family: 6 }],
    [["--max-new-bytes", "20G"], { maxNewBytes: 20 * 2 ** 30 }],
    [["--probe", "/dists/Release"], { probe: "dists/Release" as never }],
    [["--last", "a", "--last", "b", "--profile", "rpm"], { last: ["a", "b"], profile: "rpm" }],
    [["--protocol", "30", "--temporary-names"], { protocolMax: 30, temporaryNames: true }],
    [["--password-file", "/etc/p", "--login-digest", "md5"], { passwordFile: "/etc/p", loginDigest: "md5" }],
    [["--every", "never"], { everyMs: 0 }],
    [["--endpoint-url", "http://127.0.0.1:1", "--aws-profile", "p", "--versioning"], { endpoint: "http://127.0.0.1:1", awsProfile: "p", versioning: true }],
  ];
  for (const [options, words] of cases) {
    assert.equal(await wordsOf(...options), words, options.join(" "));
    // What is shown of a mirror gives the same again.
    const settings = settingsOfWords(words);
    assert.equal(settingsOfWords(await wordsOf(...shellWords(settingsText(settings)))), settings, settingsText(settings));
  }
});

test("filters keep their order across all options, and become rsync's rules", async () => {
  const words = await wordsOf("--include", "a/", "--exclude-from", "list", "-f", "P *.log", "--exclude", "*");
  const filters = ["+ a/", "+ kept", "- *.iso", "!", "P *.log", "- *"];
  assert.equal(settingsOfWords(words), { filters });
  assert.equal(settingsOfWords({ filterLines: [{ kind: "files-from", lines: ["a/b", "/c/"] }] }), { filters: ["+ /a/", "+ /a/b", "+ /c/***", "- *"] });
});

test("a source is an rsync address, without a password", () => {
  const parsed = parseSource("rsync://user@host.example:8730/module/a//b/");
  assert.equal(
    { ...parsed },
    { host: "host.example", port: 8730, user: "user", module: "module", path: "a/b", url: "rsync://user@host.example:8730/module/a/b" },
  );
  assert.is(parseSource("host::module/x").url, "rsync://host/module/x");
  assert.equal([parseSource("rsync://[::1]:99/m").host, parseSource("rsync://[::1]:99/m").port], ["::1", 99]);
  assert.is(parseSource("rsync://host").module, "");
  for (const bad of [
    "",
    "host",
    "ssh://host/m",
    "rsync://",
    "rsync:///m",
    "rsync://u:p@h/m",
    "rsync://h:0/m",
    "rsync://h:99999/m",
    "rsync://h/m/../x",
    "rsync://@h/m",
    "host:m",
    "rsync://h/m\n",
  ]) {
    assert.throws(
      () => parseSource(bad),
      (error: unknown) => isRainbowError(error, "USAGE") && !/u:p@/.test((error as Error).message),
      bad,
    );
  }
});

test("a target is a directory or a bucket", () => {
  assert.equal(parseTarget("/srv/mirror/"), { kind: "directory", path: "/srv/mirror" });
  assert.equal(parseTarget("s3://bucket/a/b/"), { kind: "bucket", bucket: "bucket", prefix: "a/b" });
  assert.is(targetOf("s3://", "debian"), "s3://debian");
  assert.match(targetOf("s3://", "Debian"), /^s3:\/\/debian-[0-9a-f]{8}$/);
  for (const bad of ["relative", "s3://B", "s4://bucket", "s3://bucket_x"]) assert.throws(() => parseTarget(bad), undefined, bad);
});

test("the table names every option of rsync's, and every option of mirrors", async () => {
  const own = (await rainbow(["mirror", "--help"])).stdout.match(/--[a-z][a-z0-9-]*[a-z0-9]/g) ?? [];
  assert.ok(own.length > 40);
  const general = ["--json", "--config", "--data-dir", "--quiet", "--help"];
  for (const option of own) if (!general.includes(option)) assert.ok(table.includes(`\`${option}\``), `${option} is not in the table`);
  if (!hasCommand("rsync")) return skipped("mirror options: rsync's own", "rsync is not installed");
  const help = spawnSync("rsync", ["--help"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => /^ *-/.test(line));
  const theirs = help.flatMap(
    (line) =>
      line
        .trim()
        .split(/ {2,}/)[0]!
        .match(/(?<![\w-])-{1,2}[a-zA-Z0-9@][\w-]*/g) ?? [],
  );
  assert.ok(theirs.length > 100);
  for (const option of theirs) assert.ok(table.includes(`\`${option}\``), `${option} of rsync is not in the table`);
});

test.run();
