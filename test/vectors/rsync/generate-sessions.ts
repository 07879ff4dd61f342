/** Writes sessions.json: what a real daemon and we said to each other. Run as root, so that devices and owners are there. */
import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { openOs } from "../../../src/app/os/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { startRsyncDaemon } from "../../support/rsync-daemon.ts";
import { converse } from "../../support/rsync-driver.ts";
import { temporaryDirectory } from "../../support/temp.ts";
import { NotedSession, VECTOR_CASES, VECTOR_CHANGED } from "./sessions.ts";
import type { CapturedSession } from "./sessions.ts";

const os = openOs();
const root = temporaryDirectory("rsync-vectors");
const tree = join(root, "tree");
const at = (name: string): ByteString => `${tree}/${name}` as ByteString;
mkdirSync(join(tree, "sub", "deep"), { recursive: true });
mkdirSync(join(tree, "empty folder"));
for (const [name, content] of Object.entries({ changed: VECTOR_CHANGED, empty: "", "sub/a.bin": "binary", "sub/deep/leaf": "leaf", "line\nbreak": "odd", [`sub/${"n".repeat(250)}`]: "long" }))
  writeFileSync(join(tree, name), content);
writeFileSync(Buffer.from(`${tree}/latin \xe9`, "latin1"), "raw");
linkSync(join(tree, "changed"), join(tree, "sub", "linked"));
symlinkSync("../changed", join(tree, "sub", "symlink"));
os.makeSpecial(at("fifo"), "fifo", 0o622, 0);
os.makeSpecial(at("null"), "character", 0o666, 2 ** 20 + 3);
chmodSync(join(tree, "sub/a.bin"), 0o4755);
os.chown(at("sub/deep/leaf"), 1234, 4321);
os.setTimes(at("empty"), -5, 250_000_000);
os.setTimes(at("sub/a.bin"), 4_102_444_800, 0);
os.setTimes(at("changed"), 1_600_000_000, 123_456_789);
for (const name of ["sub/deep/leaf", "line\nbreak", "sub/deep", "sub", "empty folder", ""]) utimesSync(join(tree, name), 1_500_000_000, 1_500_000_000);
writeFileSync(join(root, "secrets"), "alice:correct horse\n", { mode: 0o600 });
writeFileSync(join(root, "motd"), "Welcome\n");

const daemon = await startRsyncDaemon({ tree: { path: tree }, secured: { path: tree, "auth users": "alice", "secrets file": join(root, "secrets") } }, { "motd file": join(root, "motd") });
const captured: CapturedSession[] = [];
for (const { name, session, old } of VECTOR_CASES) {
  const noted = new NotedSession(session, old === true);
  const received: Buffer[] = [];
  const sent: Buffer[] = [];
  const watch = { onReceived: (bytes: Buffer): void => void received.push(Buffer.from(bytes)), onSent: (bytes: Buffer): void => void sent.push(Buffer.from(bytes)) };
  await converse(noted.session, daemon.port, (event) => noted.take(event), watch).catch((error: unknown) => noted.fail(error));
  const kept = (parts: readonly Buffer[]): string => zstdCompressSync(Buffer.concat(parts)).toString("base64");
  captured.push({ name, pieces: received.map(({ length }) => length), received: kept(received), sent: kept(sent), told: noted.told });
}
await daemon.stop();
writeFileSync(join(import.meta.dirname, "sessions.json"), `${JSON.stringify(captured, undefined, 1)}\n`);
