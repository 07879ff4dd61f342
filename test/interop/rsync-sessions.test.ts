/** What a real daemon does besides sending files: listing modules, asking for passwords, refusing, filtering, comparing blocks. */
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openXxh3 } from "../../src/app/os/index.ts";
import { isRainbowError } from "../../src/core/index.ts";
import type { ByteString, ErrorCode } from "../../src/core/index.ts";
import { blockBytesFor, FILE_DIGESTS, ModuleListing, openDigests, parseRule, PROTOCOL_MAX, PROTOCOL_MIN } from "../../src/rsync/index.ts";
import type { ListingEvent, Login, SessionOptions } from "../../src/rsync/index.ts";
import { seededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import type { RsyncDaemon } from "../support/rsync-daemon.ts";
import { converse } from "../support/rsync-driver.ts";
import { fetchAll } from "../support/rsync-fetch.ts";
import type { Fetched, FetchOptions } from "../support/rsync-fetch.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const root = temporaryDirectory("rsync-sessions");
const data = join(root, "data");
const digests = await openDigests(openXxh3());
const random = seededRandom(7);
const grown = random.bytes(900_000);
const old = Buffer.concat([grown.subarray(0, 300_000), random.bytes(1234), grown.subarray(300_100, 700_000), grown.subarray(705_000)]);
let daemon: RsyncDaemon | undefined;

function makeFiles(): void {
  mkdirSync(join(data, "sub"), { recursive: true });
  writeFileSync(join(data, "changed"), grown);
  writeFileSync(join(data, "sub", "small"), "small");
  writeFileSync(join(data, "sub", "other.bin"), "binary");
  writeFileSync(join(data, "empty"), "");
  symlinkSync("changed", join(data, "link"));
  writeFileSync(join(root, "motd"), "Welcome to the test\nGrüße\n");
  writeFileSync(join(root, "secrets"), "alice:correct horse\n");
  chmodSync(join(root, "secrets"), 0o600);
}

const test = suite("rsync: sessions with a real daemon");

test.before(async () => {
  if (!hasCommand("rsync")) return;
  makeFiles();
  const secured = { path: data, "auth users": "alice", "secrets file": join(root, "secrets") };
  const modules = {
    data: { path: data, comment: "some data" },
    hidden: { path: data, list: "no" },
    secured: { ...secured, comment: "with a password" },
    modern: { ...secured, "auth digest": "sha512" },
    impatient: { path: data, timeout: "30" },
    stubborn: { path: data, "refuse options": "checksum-seed" },
    full: { path: data, "max connections": "-1" },
    "with space": { path: data },
  };
  daemon = await startRsyncDaemon(modules, { "motd file": join(root, "motd") });
});
test.after(() => daemon?.stop());

/** A test against the daemon; skipped by name where there is none. */
function withDaemon(name: string, run: (port: number) => Promise<void>): void {
  test(name, async () => {
    if (!hasCommand("rsync")) return skipped(`rsync: ${name}`, "rsync is not installed");
    await run(daemon!.port);
  });
}

const fetched = (session: SessionOptions, options: Omit<FetchOptions, "session"> = {}): Promise<Fetched> =>
  fetchAll(daemon!.port, { session, ...options }, digests);

async function refuses(code: ErrorCode, words: RegExp, session: SessionOptions, options: Omit<FetchOptions, "session"> = {}): Promise<void> {
  try {
    await fetched(session, options);
  } catch (error) {
    if (!isRainbowError(error, code)) throw error;
    assert.match(error.message, words);
    return;
  }
  assert.unreachable(`${code} was expected`);
}

withDaemon("modules are listed with their comments, and the message of the day is told apart", async (port) => {
  const events: ListingEvent[] = [];
  await converse(new ModuleListing(), port, (event) => void events.push(event));
  const modules = events.filter((event) => event.type === "module");
  assert.equal(modules.map(({ name }) => name).sort(), ["data", "full", "impatient", "modern", "secured", "stubborn", "with space"].sort());
  assert.is(modules.find(({ name }) => name === "data")?.comment, "some data");
  assert.equal(
    events.filter((event) => event.type === "motd").map(({ text }) => text),
    ["Welcome to the test", "Grüße", ""],
  );
});

withDaemon("a session hands on the message of the day, and opens hidden modules and names with spaces", async () => {
  const { motd, entries } = await fetched({ module: "hidden" });
  assert.equal(motd, ["Welcome to the test", "Grüße", ""]);
  assert.ok(entries.some(({ path }) => path === "changed"));
  assert.ok((await fetched({ module: "with space" })).entries.length > 3);
});

const alice: Login = { user: "alice", password: "correct horse" };

withDaemon("the right password opens a module, in every protocol", async () => {
  for (let protocolMax = PROTOCOL_MIN; protocolMax <= PROTOCOL_MAX; protocolMax++) {
    const { outcomes } = await fetched({ module: "secured", login: alice, protocolMax });
    assert.is(outcomes.get("changed"), "verified", String(protocolMax));
  }
  assert.is((await fetched({ module: "modern", login: alice })).outcomes.get("changed"), "verified");
});

withDaemon("a wrong password, a missing one and an unknown user are refused with what to do", async () => {
  await refuses("RSYNC_AUTHENTICATION", /auth failed on module secured; check user and password/, {
    module: "secured",
    login: { ...alice, password: "wrong" },
  });
  await refuses("RSYNC_AUTHENTICATION", /auth failed/, { module: "secured", login: { ...alice, user: "bob" } });
  await refuses("RSYNC_AUTHENTICATION", /asks for a user and a password/, { module: "secured" });
});

withDaemon("what the daemon refuses is told in its words, and a full one can be asked later", async () => {
  await refuses("RSYNC_REFUSED", /Unknown module 'nothing'/, { module: "nothing" });
  await refuses("RSYNC_BUSY", /max connections/, { module: "full" });
  await refuses("RSYNC_REFUSED", /unknown option|code 1/, { module: "data", extraOptions: ["--no-such-option"] });
  await refuses("RSYNC_REFUSED", /refuse --checksum-seed|code 1/, { module: "stubborn", checksumSeed: 5 });
});

withDaemon("a path that is not there is an error, never an empty list", async () => {
  await refuses("RSYNC_REFUSED", /No such file or directory/, { module: "data", paths: ["nowhere" as ByteString] });
});

withDaemon("a daemon's time limit is told, and keepalives are taken while its bytes wait", async () => {
  const seconds: number[] = [];
  const { outcomes } = await fetched(
    { module: "impatient" },
    {
      onEvent: (event, session) => {
        if (event.type === "timeout") seconds.push(event.seconds);
        session.keepAlive();
      },
    },
  );
  assert.equal([seconds, outcomes.get("changed")], [[30], "verified"]);
});

for (let protocolMax = PROTOCOL_MIN; protocolMax <= PROTOCOL_MAX; protocolMax++) {
  withDaemon(`protocol ${protocolMax}: of a changed file only what changed is sent`, async () => {
    for (const digest of protocolMax >= 30 ? FILE_DIGESTS : (["md5"] as const)) {
      const options = { old: () => old, wants: ({ path }: { readonly path: string }) => path === "changed" };
      const { outcomes, contents, literalBytes } = await fetched({ module: "data", protocolMax, digests: [digest] }, options);
      assert.is(outcomes.get("changed"), "verified", digest);
      assert.ok(contents.get("changed")!.equals(grown));
      assert.ok(literalBytes < 20_000, `${digest}: ${literalBytes} bytes were sent`);
    }
  });

  withDaemon(`protocol ${protocolMax}: where blocks lie, the digest tells, and the file comes again, whole`, async () => {
    for (const isIncremental of [true, false]) {
      const lying = Buffer.from(old);
      lying[100_000]! ^= 1; // The sums are of the true content, the bytes supplied are not.
      let isFirst = true;
      const options: Omit<FetchOptions, "session"> = {
        old: ({ path }) => (path !== "changed" ? undefined : isFirst ? ((isFirst = false), old) : lying),
      };
      const { outcomes, contents, course } = await fetched({ module: "data", protocolMax, isIncremental }, options);
      assert.is(outcomes.get("changed"), "verified");
      assert.ok(contents.get("changed")!.equals(grown));
      assert.is(course.filter((type) => type === "fileStart").length, 5);
    }
  });
}

withDaemon("blocks that are not supplied leave a file unverified, and its length right", async () => {
  const { outcomes, contents } = await fetched({ module: "data" }, { old: ({ path }) => (path === "changed" ? old : undefined), supplies: false });
  assert.is(outcomes.get("changed"), "unverified");
  assert.ok(contents.get("changed")!.equals(grown));
});

withDaemon("a fixed seed makes sums that can be kept", async () => {
  const { agreement } = await fetched({ module: "data", checksumSeed: 12345 });
  assert.is(agreement.seed, 12345);
  assert.ok(blockBytesFor(0) === 700 && blockBytesFor(2 ** 40) === 1 << 17);
});

withDaemon("a file that vanished or cannot be read fails by itself, and the run says that it is not whole", async () => {
  for (let protocolMax = PROTOCOL_MIN; protocolMax <= PROTOCOL_MAX; protocolMax++) {
    const gone = join(data, "sub", "gone");
    writeFileSync(gone, "soon gone");
    const onEvent: FetchOptions["onEvent"] = (event) => {
      if (event.type === "entry") rmSync(gone, { force: true });
    };
    const { outcomes, finished, messages } = await fetched({ module: "data", protocolMax }, { onEvent });
    assert.is(outcomes.get("sub/gone"), "notSent", String(protocolMax));
    assert.is(outcomes.get("sub/small"), "verified");
    assert.is(outcomes.get("changed"), "verified");
    assert.ok(messages.length > 0);
    if (protocolMax >= 30) assert.is(finished.ioError, 2);
  }
});

withDaemon("a file that grows or shrinks on the way has the length that it came with", async () => {
  const file = join(data, "sub", "growing");
  for (const sizeBytes of [400_000, 10]) {
    writeFileSync(file, random.bytes(100_000));
    const onEvent: FetchOptions["onEvent"] = (event) => {
      if (event.type === "entry") truncateSync(file, sizeBytes);
    };
    const { outcomes, contents, entries } = await fetched({ module: "data" }, { onEvent });
    assert.is(entries.find(({ path }) => path === "sub/growing")?.sizeBytes, 100_000);
    assert.is(outcomes.get("sub/growing"), "verified");
    assert.is(contents.get("sub/growing")!.length, sizeBytes);
  }
  rmSync(file);
});

withDaemon("the server leaves out what the filters say, in every protocol", async () => {
  for (let protocolMax = PROTOCOL_MIN; protocolMax <= PROTOCOL_MAX; protocolMax++) {
    const filters = ["+ /sub/small", "- /sub/*", "- *.bin", "- empty"].map((text) => parseRule(text as ByteString));
    const { entries } = await fetched({ module: "data", protocolMax, filters });
    assert.equal(entries.map(({ path }) => path).sort(), [".", "changed", "link", "sub", "sub/small"]);
  }
  await refuses("RSYNC_REFUSED", /rsync server gives up/, {
    module: "data",
    filters: [{ ...parseRule("- x" as ByteString), text: "~ nonsense" as ByteString }],
  });
});

test.run();
