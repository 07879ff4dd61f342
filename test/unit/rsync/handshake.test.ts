/** Greetings, logins, arguments and negotiation. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../../src/core/index.ts";
import { argumentsFor, chosen, encodeNames, WANTED } from "../../../src/rsync/agreement.ts";
import { shown } from "../../../src/rsync/failure.ts";
import { agreedProtocol, greetingLine, loginDigest, loginLine, loginResponse, parseGreeting } from "../../../src/rsync/greeting.ts";
import { ModuleListing, openDigests, Session } from "../../../src/rsync/index.ts";

const test = suite("rsync: the handshake");
const digests = await openDigests();

test("greetings of all servers are understood", () => {
  assert.equal(parseGreeting("@RSYNCD: 27"), { protocol: 27, loginDigests: undefined });
  assert.equal(parseGreeting("@RSYNCD: 31.0"), { protocol: 31, loginDigests: undefined });
  assert.equal(parseGreeting("@RSYNCD: 32.0 sha512 md5 md4"), { protocol: 32, loginDigests: ["sha512", "md5", "md4"] });
  assert.is(parseGreeting("@RSYNCD: 31.14").protocol, 30, "a pre-release speaks the version before");
  assert.is(greetingLine(32), "@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n");
  for (const line of ["", "@RSYNCD:", "@RSYNCD: x", "@RSYNCD: 31.0 \x01", "hello"]) assert.throws(() => parseGreeting(line), /no greeting/);
  assert.is(agreedProtocol({ protocol: 35, loginDigests: undefined }, 32), 32);
  assert.is(agreedProtocol({ protocol: 30, loginDigests: undefined }, 32), 30);
});

test("the login's digest is the strongest that both have, and old servers have one each", () => {
  assert.is(loginDigest({ protocol: 32, loginDigests: ["md4", "sha256", "sha512"] }, 32), "sha512");
  assert.is(loginDigest({ protocol: 31, loginDigests: ["md5", "md4"] }, 31), "md5");
  assert.is(loginDigest({ protocol: 31, loginDigests: undefined }, 31), "md5");
  assert.is(loginDigest({ protocol: 29, loginDigests: undefined }, 29), "md4-seeded");
  assert.throws(() => loginDigest({ protocol: 32, loginDigests: ["sha3"] }, 32), /only the login digests sha3/);
});

test("responses are base64 without padding, and weak digests need a permission", () => {
  assert.is(loginResponse("pass", "challenge", "md5"), "4NW7H11+W0MliMAKvZxkRw");
  assert.is(loginResponse("pass", "challenge", "md4-seeded"), "1KBB3OzRbv8vN057Mkw/4w");
  assert.match(loginResponse("pass", "challenge", "sha512"), /^[A-Za-z0-9+/]{86}$/);
  const login = { user: "u", password: "p" };
  assert.throws(() => loginLine(login, "c", "md5"), /weaker than sha1/);
  assert.match(loginLine({ ...login, weakestDigest: "md4" }, "c", "md5"), /^u [A-Za-z0-9+/]{22}\n$/);
  assert.throws(() => loginLine({ user: "a b", password: "p" }, "c", "sha512"), /spaces/);
});

test("arguments ask for what is wanted, and wildcards in paths are no wildcards", () => {
  const wanted = { ...WANTED, module: "m", owners: true, hardLinks: true, checksumSeed: 5, paths: ["a/[b]*" as ByteString] };
  assert.equal(argumentsFor(wanted, 32), ["--server", "--sender", "-lHotpre.iLsfxCIvu", "--numeric-ids", "--checksum-seed=5", ".", "m/a/\\[b\\]\\*"]);
  assert.equal(argumentsFor({ ...WANTED, module: "m", isRecursive: false, compressors: ["zlib"] }, 29), [
    "--server",
    "--sender",
    "-ltpdz",
    "--numeric-ids",
    ".",
    "m/",
  ]);
});

test("each side takes its own first name that the other has", () => {
  assert.is(chosen(["xxh128", "md5"], ["md5", "xxh128"], "checksum"), "xxh128");
  assert.throws(() => chosen(["xxh128"], ["none"], "checksum"), /it has none, we take xxh128/);
  assert.equal(encodeNames(["md5", "md4"]), Buffer.from("\x07md5 md4"));
  assert.is(encodeNames(["x".repeat(200)]).readUInt16BE(), 0x8000 | 200);
});

test("what cannot be a module, a path or a rule is refused before anything is sent", () => {
  const begin = (options: ConstructorParameters<typeof Session>[0]): void => {
    const session = new Session(options, digests);
    session.next();
    session.feed(Buffer.from("@RSYNCD: 31.0\n@RSYNCD: OK\n"));
    session.next();
  };
  for (const module of ["", "a\nb", "#list"]) assert.throws(() => begin({ module }), /cannot be the name of an rsync module/);
  assert.throws(() => begin({ module: "m", paths: ["a\0b" as ByteString] }), /line's end/);
});

test("text of a server is made fit for a terminal", () => {
  assert.is(shown("a\x1b[2Jb\x07\tc\n"), "a\\x1b[2Jb\\x07\tc\\x0a");
  assert.is(shown("x".repeat(1000)).length, 502);
});

test("a conversation can be fed byte by byte", () => {
  const listing = new ModuleListing();
  const said = "@RSYNCD: 31.0\nhello\r\ndata           \tcomment\n@RSYNCD: EXIT\n";
  const events = [];
  for (const byte of Buffer.from(said)) {
    assert.is(listing.next(), undefined);
    listing.feed(Buffer.of(byte));
    for (let event = listing.next(); event !== undefined; event = listing.next()) events.push(event);
  }
  assert.equal(events, [
    { type: "motd", text: "hello" },
    { type: "module", name: "data", comment: "comment" },
  ]);
  assert.ok(listing.isFinished);
  assert.is(Buffer.concat(listing.takeOutput()).toString(), `${greetingLine(32)}#list\n`);
});

test.run();
