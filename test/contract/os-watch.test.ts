/** The watcher of the addon: what inotify reports, whole and in order. Plain Node's gives hints, and says so. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { chooseOs, openOs } from "../../src/app/os/index.ts";
import { byteStringOfText, WATCH } from "../../src/core/index.ts";
import type { ByteString, Watcher, WatchEvent } from "../../src/core/index.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { below, codeOf, writeFile } from "./os-cases/place.ts";

const { os, reason } = chooseOs();
const OS_MODULE = new URL("../../src/app/os/index.ts", import.meta.url).href;
const QUEUE_LIMIT_FILE = "/proc/sys/fs/inotify/max_queued_events";
const QUEUE_LIMIT_TESTED_MAX = 200_000; // Beyond it, filling the queue takes too long.

const watch = suite("os: watcher");

const folder = (): ByteString => byteStringOfText(temporaryDirectory("watch"));

/** Gives `test` a watcher and closes it; skipped without the addon. */
function withWatcher(name: string, test: (watcher: Watcher) => void | Promise<void>): void {
  watch(name, async () => {
    const watcher = os.watcher();
    if (watcher?.isExact !== true) return skipped(`watcher: ${name}`, reason);
    try {
      await test(watcher);
    } finally {
      watcher.close();
    }
  });
}

/** Readable: "create a", "modify,… a". */
function told(events: readonly WatchEvent[]): string[] {
  return events.map(({ mask, name }) => {
    const bits = Object.entries(WATCH).filter(([, bit]) => (mask & bit) !== 0);
    return `${bits.map(([word]) => word).join("+")} ${name}`.trim();
  });
}

watch("plain Node has a watcher that hints, with raw names, and is told a directory that it cannot watch", async () => {
  const here = folder();
  const watcher = openOs({ only: "node" }).watcher();
  if (watcher === undefined) throw new Error("plain Node has no watcher");
  assert.is(watcher.isExact, false);
  const number = watcher.add(here);
  const alive = setInterval(() => undefined, 1000); // The watcher holds no process.
  const hinted = new Set<ByteString>();
  const drained = (name: ByteString): Promise<void> =>
    new Promise((resolve) => {
      watcher.onReadable(() => {
        for (const event of watcher.drain()) if (event.watch === number) hinted.add(event.name);
        if (hinted.has(name)) resolve();
      });
    });
  const seen = drained("\xff\x01" as ByteString);
  writeFile(os, below(here, "\xff\x01"), "content");
  await seen;
  const gone = drained("gone" as ByteString);
  writeFile(os, below(here, "gone"), "");
  os.unlink(below(here, "gone"));
  await gone;
  assert.is(
    codeOf(() => watcher.add(below(here, "missing"))),
    "ENOENT",
  );
  assert.is(
    codeOf(() => watcher.add(below(here, "\xff\x01"))),
    "ENOTDIR",
  );
  watcher.remove(number);
  writeFile(os, below(here, "unseen"), "");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(watcher.drain(), []);
  watcher.close();
  clearInterval(alive);
});

withWatcher("creation, writing, attributes and removal are told at once, in order, with raw names", (watcher) => {
  const here = folder();
  const number = watcher.add(here);
  assert.equal(watcher.drain(), []);
  writeFile(os, below(here, "\xff\x01"), "content");
  os.chmod(below(here, "\xff\x01"), 0o640);
  os.unlink(below(here, "\xff\x01"));
  const events = watcher.drain();
  assert.equal(told(events), ["create \xff\x01", "modify \xff\x01", "closeWrite \xff\x01", "attrib \xff\x01", "delete \xff\x01"]);
  assert.ok(events.every((event) => event.watch === number && event.cookie === 0));
  assert.equal(watcher.drain(), []);
});

withWatcher("a rename is two events with one cookie, across directories too", (watcher) => {
  const [from, to] = [folder(), folder()];
  const watches = [watcher.add(from), watcher.add(to)];
  assert.is.not(watches[0], watches[1]);
  writeFile(os, below(from, "name"), "");
  watcher.drain();
  os.rename(below(from, "name"), below(to, "other name"));
  const [left, arrived, ...rest] = watcher.drain();
  assert.equal(told([left!, arrived!]), ["movedFrom name", "movedTo other name"]);
  assert.equal([left!.watch, arrived!.watch], watches);
  assert.ok(left!.cookie !== 0 && left!.cookie === arrived!.cookie);
  assert.equal(rest, []);
});

withWatcher("the same directory gives the same number; symlinks and files are refused", (watcher) => {
  const here = folder();
  os.makeDirectory(below(here, "d"));
  os.symlink("d" as ByteString, below(here, "l"));
  writeFile(os, below(here, "f"), "");
  const number = watcher.add(below(here, "d"));
  os.rename(below(here, "d"), below(here, "e"));
  assert.is(watcher.add(below(here, "e")), number);
  assert.is(
    codeOf(() => watcher.add(below(here, "l"))),
    "ENOTDIR",
  );
  assert.is(
    codeOf(() => watcher.add(below(here, "f"))),
    "ENOTDIR",
  );
  assert.is(
    codeOf(() => watcher.add(below(here, "missing"))),
    "ENOENT",
  );
});

withWatcher("a directory tells that it moved, was deleted, and that its watch is gone", (watcher) => {
  const here = folder();
  os.makeDirectory(below(here, "d"));
  const number = watcher.add(below(here, "d"));
  os.rename(below(here, "d"), below(here, "e"));
  os.removeDirectory(below(here, "e"));
  assert.equal(told(watcher.drain()), ["moveSelf", "deleteSelf", "ignored"]);
  watcher.remove(number);
  const again = watcher.add(here);
  watcher.remove(again);
  assert.equal(told(watcher.drain()), ["ignored"]);
  writeFile(os, below(here, "unseen"), "");
  assert.equal(watcher.drain(), []);
});

withWatcher("directories that are made and filled quickly are all found: watch first, list after", (watcher) => {
  const here = folder();
  const paths = new Map([[watcher.add(here), here]]);
  const found = new Set<string>();
  const look = (path: ByteString): void => {
    for (const name of spawnSync("ls", ["-A", path], { encoding: "latin1" }).stdout.split("\n").filter(Boolean)) visit(below(path, name));
  };
  const visit = (path: ByteString): void => {
    found.add(path);
    if (os.lstat(path).kind !== "directory") return;
    paths.set(watcher.add(path), path);
    look(path);
  };
  const wanted: string[] = [];
  for (let i = 0; i < 30; i++) {
    spawnSync("mkdir", ["-p", below(here, `${i}/x/y`)]);
    writeFile(os, below(here, `${i}/x/y/file`), "");
    wanted.push(below(here, `${i}/x/y/file`));
    for (const event of watcher.drain()) if ((event.mask & WATCH.create) !== 0) visit(below(paths.get(event.watch)!, event.name));
  }
  assert.equal(
    wanted.filter((path) => !found.has(path)),
    [],
  );
});

withWatcher("a queue that runs over says so, by an event without a watch", (watcher) => {
  const limit = existsSync(QUEUE_LIMIT_FILE) ? Number(readFileSync(QUEUE_LIMIT_FILE, "utf8")) : 0;
  if (limit === 0 || limit > QUEUE_LIMIT_TESTED_MAX) return skipped("watcher: overflow", `the queue takes ${limit} events`);
  const here = folder();
  watcher.add(here);
  for (let i = 0; i <= limit / 2; i++) {
    writeFile(os, below(here, `${i}`), "");
    os.unlink(below(here, `${i}`));
  }
  const events = watcher.drain();
  assert.equal(told(events.slice(-1)), ["overflow"]);
  assert.is(events.at(-1)!.watch, -1);
  writeFile(os, below(here, "after"), "");
  assert.ok(told(watcher.drain()).includes("create after"));
});

withWatcher("the callback comes once until the queue is drained, and not after close", async (watcher) => {
  const here = folder();
  watcher.add(here);
  let calls = 0;
  watcher.onReadable(() => (calls += 1));
  await pause();
  assert.is(calls, 0);
  for (const name of ["a", "b"]) {
    writeFile(os, below(here, name), "");
    await pause();
  }
  assert.is(calls, 1);
  assert.is(watcher.drain().length, 4); // An empty file: created and closed, twice.
  writeFile(os, below(here, "c"), "");
  await pause();
  assert.is(calls, 2);
  watcher.drain();
  watcher.close();
  writeFile(os, below(here, "d"), "");
  await pause();
  assert.is(calls, 2);
  assert.is(
    codeOf(() => watcher.add(here)),
    "EBADF",
  );
  assert.is(
    codeOf(() => watcher.drain()),
    "EBADF",
  );
});

watch("a closed watcher lets the process end, and an error in its callback is an uncaught one", () => {
  if (os.source === "node") return skipped("watcher: end of process", reason);
  const start = `import { openOs } from "${OS_MODULE}"; import { writeFileSync } from "node:fs"; const w = openOs().watcher(); w.add(process.argv[1]);`;
  const run = (code: string) =>
    spawnSync(process.execPath, ["--input-type=module-typescript", "-e", start + code, temporaryDirectory("watch")], { timeout: 20_000, encoding: "utf8" });
  assert.is(run("w.onReadable(() => { w.close(); }); writeFileSync(process.argv[1] + '/f', '');").status, 0);
  assert.is(run("w.onReadable(() => {}); process.exit(7);").status, 7);
  assert.is(run("w.drain();").status, 0);
  const failed = run("w.onReadable(() => { throw new Error('of the callback'); }); writeFileSync(process.argv[1] + '/f', '');");
  assert.is(failed.status, 1);
  assert.match(failed.stderr, "of the callback");
});

watch("workers have watchers of their own, and may be stopped at any moment", async () => {
  if (os.source === "node") return skipped("watcher: workers", reason);
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(${JSON.stringify(OS_MODULE)}).then(({ openOs }) => {
      const os = openOs();
      const closed = os.watcher(); closed.add(workerData); closed.close();
      const open = os.watcher(); open.add(workerData); open.onReadable(() => open.drain());
      os.watcher();
      parentPort.postMessage(os.listDirectory(workerData).length);
    });`;
  const here = temporaryDirectory("watch");
  for (let round = 0; round < 5; round++) {
    const workers = [0, 1, 2].map(() => new Worker(code, { eval: true, workerData: here }));
    for (const [message] of await Promise.all(workers.map((worker) => once(worker, "message")))) assert.type(message, "number");
    writeFile(os, below(byteStringOfText(here), `${round}`), "");
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});

/** Long enough for the event loop to see a descriptor that is readable. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 30));
}

watch.run();
