/** A real rsync daemon on 127.0.0.1, as a child of the test: modules by name, gone with `stop` or with the process. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryDirectory } from "./temp.ts";

export interface RsyncDaemon {
  readonly port: number;
  /** "rsync://127.0.0.1:PORT" */
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Modules with their settings: `{ data: { path: "/x", comment: "…" } }`. */
export type RsyncModules = Readonly<Record<string, Readonly<Record<string, string>>>>;

export async function startRsyncDaemon(modules: RsyncModules, globals: Readonly<Record<string, string>> = {}): Promise<RsyncDaemon> {
  const directory = temporaryDirectory("rsyncd");
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const settings = { "use chroot": "no", "lock file": join(directory, "lock"), ...(isRoot ? { uid: "0", gid: "0" } : {}), ...globals };
  const section = (values: Readonly<Record<string, string>>): string =>
    Object.entries(values)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join("");
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "rsyncd.conf");
  const text =
    section(settings) +
    Object.entries(modules)
      .map(([name, values]) => `[${name}]\n${section({ "read only": "yes", ...values })}`)
      .join("");
  writeFileSync(config, text);
  const words = ["--daemon", "--no-detach", `--config=${config}`, `--port=${port}`, "--address=127.0.0.1", `--log-file=${join(directory, "log")}`];
  const child = spawn("rsync", words, { stdio: "ignore" });
  const kill = (): void => void child.kill();
  process.on("exit", kill);
  child.once("close", () => process.off("exit", kill));
  await answering(port, child);
  return { port, url: `rsync://127.0.0.1:${port}`, pid: child.pid!, stop: () => ended(child) };
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (child.exitCode !== null) throw new Error(`rsync --daemon ended with ${child.exitCode}`);
    if (await isAnswering(port)) return;
    await sleep(10);
  }
  throw new Error("rsync --daemon does not answer");
}

function isAnswering(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once("data", () => done(true));
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.kill();
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
