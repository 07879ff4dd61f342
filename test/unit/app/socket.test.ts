/** The local socket: frames, several requests on one line, slow readers, cancelling, errors that cross, files of dead processes. */
import { existsSync, statSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError, OsError, RainbowError } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { askerAt } from "../../../src/app/asker.ts";
import type { Asker } from "../../../src/app/asker.ts";
import { openOs } from "../../../src/app/os/index.ts";
import { connectTable } from "../../../src/app/socket/client.ts";
import type { Connected } from "../../../src/app/socket/client.ts";
import { encodeFrame, encodeHeader, FRAME, FRAME_BYTES_MAX, FrameReader, jsonPayload, STREAM_WINDOW_BYTES } from "../../../src/app/socket/frames.ts";
import { chooseSocketPath, notedSocket, noteSocket, socketName } from "../../../src/app/socket/location.ts";
import { serve } from "../../../src/app/socket/server.ts";
import type { Serving, Table } from "../../../src/app/socket/server.ts";
import { campaignSeed } from "../../support/campaign.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const MANIFEST = {
  add: "promise",
  nothing: "promise",
  count: "stream",
  content: "stream",
  fail: "promise",
  failLate: "stream",
  follow: "stream",
  wait: "promise",
} as const;
interface Sample {
  add(request: { readonly a: number; readonly b: number }): Promise<number>;
  nothing(): Promise<undefined>;
  count(request: { readonly to: number; readonly pad: number }, signal?: AbortSignal): AsyncIterable<{ readonly n: number }>;
  content(request: { readonly sizes: readonly number[] }, signal?: AbortSignal): AsyncIterable<{ readonly type: "bytes"; readonly bytes: Buffer }>;
  fail(request: { readonly how: string }): Promise<void>;
  failLate(): AsyncIterable<{ readonly n: number }>;
  follow(request: object, signal?: AbortSignal): AsyncIterable<{ readonly n: number }>;
  wait(request: { readonly ms: number }): Promise<string>;
}

class SampleTable implements Sample {
  made = 0;
  ended = 0;
  async add({ a, b }: { readonly a: number; readonly b: number }): Promise<number> {
    return a + b;
  }
  async nothing(): Promise<undefined> {
    return undefined;
  }
  async *count({ to, pad }: { readonly to: number; readonly pad: number }): AsyncGenerator<{ readonly n: number; readonly pad: string }> {
    try {
      for (let n = 0; n < to; n++) {
        this.made++;
        yield { n, pad: "x".repeat(pad) };
      }
    } finally {
      this.ended++;
    }
  }
  async *content({ sizes }: { readonly sizes: readonly number[] }): AsyncGenerator<{ readonly type: "bytes"; readonly bytes: Buffer }> {
    for (const [i, size] of sizes.entries()) yield { type: "bytes", bytes: Buffer.alloc(size, i + 1) };
  }
  async fail({ how }: { readonly how: string }): Promise<void> {
    if (how === "rainbow") throw new RainbowError("NOT_FOUND", "no 'x' there", { path: "x", revision: 7 });
    if (how === "os") throw new OsError("EACCES", "open", "/x" as ByteString);
    throw new TypeError("a bug");
  }
  async *failLate(): AsyncGenerator<{ readonly n: number }> {
    yield { n: 1 };
    throw new RainbowError("DIG_CHECKSUM", "block 9 is bad", { block: 9 });
  }
  async *follow(_: object, signal?: AbortSignal): AsyncGenerator<{ readonly n: number }> {
    yield { n: 0 };
    await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
    this.ended++;
  }
  async wait({ ms }: { readonly ms: number }): Promise<string> {
    await delay(ms);
    return "waited";
  }
}

interface Pair {
  readonly table: SampleTable;
  readonly serving: Serving;
  readonly client: Connected<Sample>;
  readonly path: string;
  stop(): Promise<void>;
}

async function pair(): Promise<Pair> {
  const path = join(temporaryDirectory("s"), "r.sock");
  const table = new SampleTable();
  const abort = new AbortController();
  const hello = { version: "1.2.3", pid: process.pid, dataDirectory: "/d" };
  const serving = await serve(table as unknown as Table, { path, manifest: MANIFEST, hello, signal: abort.signal });
  const client = await connectTable<Sample>(path, MANIFEST);
  if (client === undefined) throw new Error("nobody listens");
  const stop = async (): Promise<void> => {
    client.close();
    abort.abort();
    await serving.close();
  };
  return { table, serving, client, path, stop };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await delay(10);
  }
  throw new Error(`never came true: ${what}`);
}

const test = suite("socket");

test("frames come out as they went in, however the bytes are cut", () => {
  const frame = fc
    .tuple(fc.constantFrom(...Object.values(FRAME)), fc.nat(2 ** 31), fc.uint8Array({ maxLength: 300 }))
    .map(([kind, request, bytes]) => ({ kind, request, payload: Buffer.from(bytes) }));
  const property = fc.property(
    fc.array(frame, { maxLength: 12 }),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
    (frames, cuts) => {
      const line = Buffer.concat(frames.map((each) => encodeFrame(each.kind, each.request, each.payload)));
      const reader = new FrameReader();
      const seen = [];
      for (let at = 0, i = 0; at < line.length; i++) {
        const end = Math.min(line.length, at + (cuts[i % cuts.length] as number));
        seen.push(...reader.push(line.subarray(at, end)));
        at = end;
      }
      assert.equal(
        seen.map((each) => ({ ...each, payload: Buffer.from(each.payload) })),
        frames,
      );
    },
  );
  fc.assert(property, { seed: campaignSeed() });
});

test("a frame over the limit is refused by its header alone", () => {
  const header = encodeHeader(FRAME.item, 1, 0);
  header.writeUInt32LE(FRAME_BYTES_MAX + 6, 0);
  assert.throws(
    () => new FrameReader().push(header),
    (error: unknown) => isRainbowError(error, "LIMIT"),
  );
  header.writeUInt32LE(4, 0);
  assert.throws(
    () => new FrameReader().push(header),
    (error: unknown) => isRainbowError(error, "LIMIT"),
  );
});

test("a frame of an unknown kind is refused", () => {
  const frame = encodeFrame(FRAME.item, 1, Buffer.alloc(3));
  frame[4] = 99;
  assert.throws(
    () => new FrameReader().push(frame),
    (error: unknown) => isRainbowError(error, "LIMIT"),
  );
});

test("answers cross, also the answer that is nothing", async () => {
  const { client, stop } = await pair();
  assert.is(await client.table.add({ a: 2, b: 3 }), 5);
  assert.is(await client.table.nothing(), undefined);
  assert.equal(client.hello, { protocol: 1, version: "1.2.3", pid: process.pid, dataDirectory: "/d" });
  await stop();
});

test("several requests share one connection, and a paused stream holds up no other", async () => {
  const { client, table, stop } = await pair();
  const stream = client.table.count({ to: 100_000, pad: 1000 })[Symbol.asyncIterator]();
  assert.equal((await stream.next()).value?.n, 0);
  const answers = await Promise.all([client.table.wait({ ms: 20 }), client.table.add({ a: 1, b: 1 }), client.table.wait({ ms: 1 })]);
  assert.equal(answers, ["waited", 2, "waited"]);
  await delay(50);
  const madeWhilePaused = table.made;
  assert.ok(madeWhilePaused <= STREAM_WINDOW_BYTES / 1000 + 2, `${madeWhilePaused} items were made for a reader that took one`);
  await delay(50);
  assert.is(table.made, madeWhilePaused);
  let last = 0;
  for (let step = await stream.next(); step.done !== true; step = await stream.next()) last = step.value.n;
  assert.is(last, 99_999);
  await stop();
});

test("content crosses byte for byte, in pieces", async () => {
  const { client, stop } = await pair();
  const parts: Buffer[] = [];
  for await (const item of client.table.content({ sizes: [0, 1, 3_000_000, 131_072] })) parts.push(Buffer.from(item.bytes));
  assert.ok(Buffer.concat(parts).equals(Buffer.concat([Buffer.alloc(1, 2), Buffer.alloc(3_000_000, 3), Buffer.alloc(131_072, 4)])));
  assert.ok(parts.every((part) => part.length <= 131_072));
  await stop();
});

test("a reader that leaves its loop ends the stream at the source", async () => {
  const { client, table, stop } = await pair();
  for await (const item of client.table.count({ to: 1e9, pad: 100 })) if (item.n === 3) break;
  await until(() => table.ended === 1, "the source ended");
  assert.is(await client.table.add({ a: 1, b: 2 }), 3);
  await stop();
});

test("a client that goes away ends its streams, also one that waits for something new", async () => {
  const { client, table, serving, stop } = await pair();
  const counting = client.table.count({ to: 1e9, pad: 100 })[Symbol.asyncIterator]();
  const following = client.table.follow({})[Symbol.asyncIterator]();
  await Promise.all([counting.next(), following.next()]);
  client.close();
  await until(() => table.ended === 2 && serving.connectionCount() === 0, "both sources ended");
  await stop();
});

test("an aborted signal ends a stream without an error, and cancels it at the source", async () => {
  const { client, table, stop } = await pair();
  const abort = new AbortController();
  let count = 0;
  for await (const item of client.table.follow({}, abort.signal)) {
    count++;
    assert.is(item.n, 0);
    setTimeout(() => abort.abort(), 5);
  }
  assert.is(count, 1);
  await until(() => table.ended === 1, "the source ended");
  await stop();
});

test("a RainbowError keeps its code, message and facts", async () => {
  const { client, stop } = await pair();
  const error = await rejection(client.table.fail({ how: "rainbow" }));
  assert.ok(isRainbowError(error, "NOT_FOUND"));
  assert.is(error.message, "no 'x' there");
  assert.equal(isRainbowError(error) && error.facts, { path: "x", revision: 7 });
  assert.ok(isRainbowError(await rejection(client.table.fail({ how: "os" })), "IO"));
  const bug = await rejection(client.table.fail({ how: "bug" }));
  assert.equal([bug.name, bug.message, isRainbowError(bug)], ["TypeError", "a bug", false]);
  await stop();
});

test("an error in the middle of a stream comes after the items before it", async () => {
  const { client, stop } = await pair();
  const seen: number[] = [];
  const error = await rejection(
    (async () => {
      for await (const item of client.table.failLate()) seen.push(item.n);
    })(),
  );
  assert.equal(seen, [1]);
  assert.ok(isRainbowError(error, "DIG_CHECKSUM"));
  await stop();
});

test("open calls fail with NOT_RUNNING when the server goes away", async () => {
  const { client, serving } = await pair();
  const waiting = rejection(client.table.wait({ ms: 1000 }));
  await delay(20);
  await serving.close();
  assert.ok(isRainbowError(await waiting, "NOT_RUNNING"));
  assert.ok(isRainbowError(await rejection(client.table.add({ a: 1, b: 1 })), "NOT_RUNNING"));
});

test("an operation that is not in the manifest is refused, also one that every object has", async () => {
  const { path, stop } = await pair();
  const client = await connectTable<{ toString(): string; made(): Promise<void> }>(path, { toString: "promise", made: "promise" } as const);
  for (const name of ["toString", "made"] as const)
    assert.ok(isRainbowError(await rejection(client!.table[name]() as unknown as Promise<void>), "LIMIT"), name);
  client!.close();
  await stop();
});

test("garbage closes the connection and harms no other", async () => {
  const { client, path, serving, stop } = await pair();
  const socket = createConnection({ path });
  socket.on("error", () => {});
  socket.write(Buffer.alloc(64, 0xff));
  await new Promise((resolve) => socket.once("close", resolve).resume());
  const half = createConnection({ path });
  half.on("error", () => {});
  half.end(encodeFrame(FRAME.request, 1, jsonPayload({ name: "add", argument: { a: 1, b: 1 } })).subarray(0, 11));
  await until(() => serving.connectionCount() === 1, "only the good client is left");
  assert.is(await client.table.add({ a: 1, b: 2 }), 3);
  half.destroy();
  await stop();
});

test("the socket is for its owner alone, and gone after the close", async () => {
  const { path, stop } = await pair();
  assert.is(statSync(path).mode & 0o777, 0o600);
  await stop();
  assert.not(existsSync(path));
});

test("nothing listens: no file, a file of a dead process, and a plain file", async () => {
  const directory = temporaryDirectory("s");
  const path = join(directory, "dead.sock");
  assert.is(await connectTable(path, MANIFEST), undefined);
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  assert.is(spawnSync(process.execPath, ["-e", script]).signal, "SIGKILL");
  assert.ok(existsSync(path));
  assert.is(await connectTable(path, MANIFEST), undefined);
  const abort = new AbortController();
  const serving = await serve({}, { path, manifest: {}, hello: { version: "", pid: 1, dataDirectory: "" }, signal: abort.signal });
  assert.ok((await connectTable(path, MANIFEST)) !== undefined);
  await serving.close();
});

test("a second server on the same path is BUSY", async () => {
  const { path, stop } = await pair();
  const hello = { version: "", pid: 1, dataDirectory: "" };
  assert.ok(isRainbowError(await rejection(serve({}, { path, manifest: {}, hello, signal: new AbortController().signal })), "BUSY"));
  await stop();
});

test("a server of another protocol version is named, not spoken to", async () => {
  const path = join(temporaryDirectory("s"), "r.sock");
  const server = createServer((socket) => socket.end(encodeFrame(FRAME.hello, 0, jsonPayload({ protocol: 2, version: "9.0.0", pid: 5, dataDirectory: "/d" }))));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  assert.ok(isRainbowError(await rejection(connectTable(path, MANIFEST)), "NEWER_FORMAT"));
  server.close();
});

test("the socket's place is short, differs by data directory, and is noted there", () => {
  const directory = temporaryDirectory("d");
  assert.not.equal(socketName("/a"), socketName("/b"));
  const uid = process.getuid!();
  const path = chooseSocketPath({ dataDirectory: directory, runtimeDirectory: directory, uid });
  assert.ok(Buffer.byteLength(path) <= 107);
  const long = chooseSocketPath({ dataDirectory: `/${"x".repeat(120)}`, runtimeDirectory: `/${"y".repeat(120)}`, uid: 0 });
  assert.ok(Buffer.byteLength(long) <= 107);
  assert.is(notedSocket(directory), undefined);
  const takeBack = noteSocket(directory, path);
  assert.is(notedSocket(directory), path);
  takeBack();
  assert.is(notedSocket(directory), undefined);
});

test("every operation is told who asks, by the kernel's word about the other end of the line", async () => {
  const path = join(temporaryDirectory("s"), "r.sock");
  const askers: unknown[] = [];
  const table: Table = {
    add: (_request, _signal, asker) => Promise.resolve(askers.push(asker)),
    count: async function* (_request, _signal, asker) {
      askers.push(asker);
      yield* [];
    },
  };
  const abort = new AbortController();
  const hello = { version: "1", pid: process.pid, dataDirectory: "/d" };
  const serving = await serve(table, { path, manifest: MANIFEST, hello, signal: abort.signal, askerAt });
  const client = await connectTable<Sample>(path, MANIFEST);
  await client?.table.add({ a: 1, b: 2 });
  for await (const _ of client?.table.count({ to: 0, pad: 0 }) ?? []) assert.unreachable();
  client?.close();
  await serving.close();
  const [first, second] = askers as Asker[];
  assert.equal(first, second);
  assert.is(first?.uid, process.getuid!());
  assert.is(first?.user, userInfo().username);
  assert.ok(openOs().source === "native" ? first?.pid === process.pid : first?.pid === 0, `${first?.pid}`);
});

test.run();
