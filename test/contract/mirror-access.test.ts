/** How a mirror finds its bucket's server, keys and trust: as every AWS tool does. On a real S3 server, also under TLS with an authority of its own. */
// Time limit: 900 s
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MirrorHousehold } from "../support/mirror-household.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("mirror: access to a bucket");
const files = temporaryDirectory("tls");
const at = (name: string): string => join(files, name);
const programs = ["rsync", "openssl"].filter((program) => !hasCommand(program));
if (programs.length === 0) for (const name of ["authority", "another"]) makeAuthority(name);
const tls = { certificate: at("server.pem"), key: at("server.key") };
const server = programs.length === 0 ? await startS3Server({ tls }) : `${programs.join(" and ")} missing`;

/** An authority, and a certificate for 127.0.0.1 that the first one signs. */
function makeAuthority(name: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...key, "-subj", `/CN=${name}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.pem`));
  if (name !== "authority") return;
  const signed = ["-CA", at("authority.pem"), "-CAkey", at("authority.key"), "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"];
  openssl("req", "-x509", ...key, "-subj", "/CN=127.0.0.1", ...signed, "-keyout", at("server.key"), "-out", at("server.pem"));
}

function openssl(...words: readonly string[]): void {
  const run = spawnSync("openssl", words, { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`openssl ${words.join(" ")}: ${run.stderr}`);
}

/** Nothing of the machine's own: an AWS variable of whoever runs the test would count. */
const NOTHING = {
  AWS_CA_BUNDLE: "",
  NODE_EXTRA_CA_CERTS: "",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: at("none"),
  AWS_SHARED_CREDENTIALS_FILE: at("none"),
};
let buckets = 0;

function housed(name: string, body: (house: MirrorHousehold, s3: Exclude<typeof server, string>, bucket: string) => Promise<void>): void {
  test(name, async () => {
    if (typeof server === "string") return skipped(`mirror: ${name}`, server);
    const house = await MirrorHousehold.open();
    house.write({ f: "content", "folder/large": "x".repeat(9 << 20) });
    try {
      await body(house, server, `access-${++buckets}`);
    } finally {
      await house.close();
    }
  });
}

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

housed("a server under TLS is trusted by AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS, and else refused with a word about them", async (house, s3, bucket) => {
  const plain = { ...NOTHING, ...s3.environment, AWS_ENDPOINT_URL_S3: s3.secureEndpoint };
  const add = ["mirror", "add", house.url, `s3://${bucket}`];
  for (const [distrusted, pattern] of [
    [{}, /nobody who is trusted signed .* AWS_CA_BUNDLE/],
    [{ AWS_CA_BUNDLE: at("another.pem") }, /nobody who is trusted signed .* AWS_CA_BUNDLE/],
    [{ AWS_CA_BUNDLE: at("nowhere.pem") }, /nowhere\.pem .*AWS_CA_BUNDLE .*ENOENT/],
    [{ AWS_CA_BUNDLE: at("server.key") }, /server\.key .*AWS_CA_BUNDLE .* holds no certificate/],
  ] as const) {
    house.env = { ...plain, ...distrusted };
    const refused = await house.run(...add);
    assert.equal([refused.exitCode, refused.stderr.includes("OBJECTS_REFUSED")], [23, true], refused.stderr);
    assert.match(refused.stderr, pattern);
  }
  house.env = { ...plain, AWS_CA_BUNDLE: at("authority.pem") };
  await house.ok(add);
  await house.ok(["mirror", "sync", "-q"]);
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /nothing wrong/);
  house.write({ f: "changed" });
  writeFileSync(at("trusting"), `[default]\nca_bundle = ${at("authority.pem")}\n`);
  house.env = { ...plain, AWS_CONFIG_FILE: at("trusting") };
  await house.ok(["mirror", "sync", "-q"]);
  house.write({ f: "changed again" });
  house.env = { ...plain, NODE_EXTRA_CA_CERTS: at("authority.pem") };
  await house.ok(["mirror", "sync", "-q"]);
  assert.is(await house.ok(["cat", "mirror:tree/f"]), "changed again");
});

housed("a profile has server, region and keys; the environment goes before it, and a session's token is sent", async (house, s3, bucket) => {
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const [config, credentials] = [at("config"), at("credentials")];
  writeFileSync(
    config,
    `[profile mirror]\nregion = us-east-1\nendpoint_url = ${s3.endpoint}\n[profile nowhere]\nendpoint_url = http://127.0.0.1:1\nservices = mine # not that\n[services mine]\ns3 =\n  endpoint_url = http://127.0.0.1:2\n`,
  );
  const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  writeFileSync(credentials, `[mirror]\n${keys}[nowhere]\n${keys}[session]\n${keys}aws_session_token = a token\n`);
  const own = { ...NOTHING, AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials };
  house.env = { ...own, AWS_PROFILE: "mirror" };
  await house.ok(["mirror", "add", house.url, `s3://${bucket}`]);
  await house.ok(["mirror", "sync", "-q"]);
  house.env = { ...own, AWS_PROFILE: "nowhere" };
  assert.match((await house.run("mirror", "sync")).stderr, /127\.0\.0\.1:2 \[OBJECTS_UNREACHABLE\]/);
  await house.ok(["mirror", "set", "tree", "--aws-profile", "nowhere"]);
  house.env = own;
  assert.match((await house.run("mirror", "sync")).stderr, /127\.0\.0\.1:2 \[OBJECTS_UNREACHABLE\]/);
  house.env = { ...own, AWS_PROFILE: "nowhere", AWS_ENDPOINT_URL_S3: s3.endpoint };
  await house.ok(["mirror", "sync", "-q"]);
  house.env = own;
  await house.ok(["mirror", "set", "tree", "--aws-profile", "mirror"]);
  await house.ok(["mirror", "sync", "-q"]);
  const sent: (string | undefined)[] = [];
  const witness = createServer((request, answer) => {
    sent.push(request.headers["x-amz-security-token"] as string | undefined);
    answer.writeHead(403).end();
  });
  await new Promise<void>((resolve) => witness.listen(0, "127.0.0.1", resolve));
  house.env = { ...own, AWS_ENDPOINT_URL: `http://127.0.0.1:${(witness.address() as AddressInfo).port}` };
  await house.ok(["mirror", "set", "tree", "--aws-profile", "session"]);
  assert.match((await house.run("mirror", "sync")).stderr, /does not take these keys/);
  assert.equal(sent, ["a token"]);
  witness.close();
});

housed("keys that are missing or wrong, and an address that is none, are refused with a word about what to do", async (house, s3, bucket) => {
  const cases: [Readonly<Record<string, string>>, RegExp][] = [
    [{ AWS_ENDPOINT_URL_S3: s3.endpoint }, /there are no credentials.*AWS_ACCESS_KEY_ID/],
    [{ ...s3.environment, AWS_ACCESS_KEY_ID: "nobody" }, /does not take these keys.*AWS_PROFILE/],
    [{ ...s3.environment, AWS_SECRET_ACCESS_KEY: "wrong" }, /does not take these keys.*AWS_PROFILE/],
    [{ AWS_ENDPOINT_URL_S3: s3.endpoint, AWS_PROFILE: "nowhere" }, /there are no credentials.*AWS_PROFILE/],
    [{ ...s3.environment, AWS_ENDPOINT_URL_S3: "127.0.0.1" }, /address is no URL.*AWS_ENDPOINT_URL_S3/],
  ];
  for (const [env, pattern] of cases) {
    house.env = { ...NOTHING, ...env };
    const refused = await house.run("mirror", "add", house.url, `s3://${bucket}`);
    assert.is(refused.exitCode, 23, refused.stderr);
    assert.is(refused.stderr.trim().split("\n").length, 1, refused.stderr);
    assert.match(refused.stderr, pattern);
    assert.not.match(refused.stderr, /rainbow-test-secret|\bwrong\b/);
  }
});

test.run();
