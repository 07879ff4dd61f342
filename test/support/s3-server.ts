/** A real S3 server on 127.0.0.1 by infra/test-s3.sh, as a child of the test: gone with `stop` or with the process. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { REPOSITORY } from "../runner/workspace.ts";
import { temporaryDirectory } from "./temp.ts";

export interface S3Server {
  readonly endpoint: string;
  /** Answers where the server was given a certificate. */
  readonly secureEndpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** For child processes that are to find the server by themselves. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const CANNOT_INSTALL = 3; // An exit code of infra/test-s3.sh.

export interface S3ServerOptions {
  /** Where its objects lie: in memory, up to 2 GiB, or in a sparse file. */
  readonly store?: "memstore" | "bluestore";
  /** Files of a certificate for 127.0.0.1 and of its key. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** The server, or why there is none here. On a fresh machine it is installed first, which root alone can. */
export async function startS3Server({ store = "memstore", tls }: S3ServerOptions = {}): Promise<S3Server | string> {
  const directory = temporaryDirectory("s3");
  const ports = await Promise.all([freePort(), freePort()]);
  const securePort = await freePort();
  const secure = tls === undefined ? {} : { S3_TEST_TLS: `${securePort} ${tls.certificate} ${tls.key}` };
  const env = { ...process.env, S3_TEST_STORE: store, ...secure };
  const child = spawn(join(REPOSITORY, "infra/test-s3.sh"), [directory, ...ports.map(String)], { stdio: ["pipe", "pipe", "pipe"], env });
  process.on("exit", () => child.kill());
  const problem = await readiness(child);
  if (problem !== undefined) return problem;
  const credentials = { accessKeyId: "rainbow-test", secretAccessKey: "rainbow-test-secret" };
  const endpoint = `http://127.0.0.1:${ports[0]}`;
  const secureEndpoint = `https://127.0.0.1:${securePort}`;
  const environment = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const stop = async (): Promise<void> => {
    await ended(child);
    rmSync(directory, { recursive: true, force: true });
  };
  return { endpoint, secureEndpoint, credentials, environment, stop };
}

/** Undefined when it is ready; why not, where it cannot be installed. Anything else is a failure. */
function readiness(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stdout!.on("data", (bytes: Buffer) => {
      if (bytes.toString().includes("ready")) resolve(undefined);
    });
    child.stderr!.on("data", (bytes: Buffer) => (said += bytes.toString()));
    child.once("error", reject);
    child.once("close", (code) => (code === CANNOT_INSTALL ? resolve(said.trim()) : reject(new Error(`infra/test-s3.sh ended with ${code}: ${said}`))));
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.stdin!.end();
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
