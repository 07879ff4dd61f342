/**
 * Scavenging: each node of a cluster gives back the space of truncated and deleted events by itself, when it is told to over HTTP, and
 * writes into a stream what came of it.
 */
import { readFileSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { RainbowError } from "../../core/index.ts";
import type { Address, Endpoint } from "./address.ts";
import { pause } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { denied, failureKind, unreachable } from "./failures.ts";
import { collected } from "./stream-facts.ts";

const POLL_MS = 200;
const ANSWER_BYTES_MAX = 1 << 20;
const PROGRESS_EVENTS = 4096; // One per chunk of 256 MiB: a terabyte.

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Scavenges every node and waits for it; stops them when `signal` aborts. STORE_REFUSED where the user may not. */
export async function scavenge(connection: Connection, signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
  let freedBytes = 0;
  for (const node of await nodesOf(connection)) {
    if (signal?.aborted === true) break;
    freedBytes += await scavengeNode(connection, node, signal);
  }
  return { freedBytes };
}

async function scavengeNode(connection: Connection, node: Endpoint, signal: AbortSignal | undefined): Promise<number> {
  const started = await ask(connection, node, "POST", "/admin/scavenge");
  if (started.status === 401 || started.status === 403) throw denied(connection.address, "scavenge", new Error(`HTTP ${started.status}`));
  const { scavengeId } = jsonOf(started.body);
  if (started.status !== 200 || typeof scavengeId !== "string")
    throw new RainbowError("STORE_REFUSED", `${node.host}:${node.port} did not start to scavenge (HTTP ${started.status}): ${started.body.slice(0, 200)}`, {
      status: started.status,
    });
  for (;;) {
    const outcome = await outcomeOf(connection, scavengeId);
    if (outcome !== undefined) return outcome;
    if (signal?.aborted === true) {
      await ask(connection, node, "DELETE", `/admin/scavenge/${encodeURIComponent(scavengeId)}`);
      return 0;
    }
    await pause(POLL_MS);
  }
}

/** The bytes that it gave back, once it is done. */
async function outcomeOf(connection: Connection, scavengeId: string): Promise<number | undefined> {
  try {
    const stream = `$scavenges-${scavengeId}`;
    const events = await connection.patiently((client) =>
      collected(client.readStream(stream, { direction: "backwards", fromRevision: "end", maxCount: PROGRESS_EVENTS })),
    );
    const completed = events.find(({ event }) => event?.type === "$scavengeCompleted");
    if (completed === undefined) return undefined;
    const data: unknown = completed.event?.data;
    const saved = typeof data === "object" && data !== null && "spaceSaved" in data ? Number(data.spaceSaved) : 0;
    return Number.isFinite(saved) ? Math.max(0, saved) : 0;
  } catch (error) {
    if (failureKind(error) === "missing") return undefined; // It has not written anything yet.
    throw error;
  }
}

/** The nodes that are alive, as the cluster knows them; of a single node, itself. */
async function nodesOf(connection: Connection): Promise<readonly Endpoint[]> {
  const { hosts } = connection.address;
  const gossip = await ask(connection, hosts[0]!, "GET", "/gossip?format=json");
  const members: unknown = jsonOf(gossip.body)["members"];
  if (gossip.status !== 200 || !Array.isArray(members) || members.length < 2) return hosts.slice(0, 1);
  return members.flatMap((member: Record<string, unknown>): Endpoint[] => {
    const [host, port] = [member["httpEndPointIp"], member["httpEndPointPort"]];
    return member["isAlive"] === true && typeof host === "string" && typeof port === "number" ? [{ host, port }] : [];
  });
}

async function ask({ address, limits }: Connection, node: Endpoint, method: string, path: string): Promise<Answer> {
  try {
    return await exchange(address, node, { method, path, waitMsMax: limits.requestMsMax });
  } catch (error) {
    throw unreachable(address, error);
  }
}

function exchange(address: Address, node: Endpoint, what: { readonly method: string; readonly path: string; readonly waitMsMax: number }): Promise<Answer> {
  const { credentials, caFile } = address;
  const authorization =
    credentials === undefined ? {} : { authorization: `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}` };
  const options = {
    host: node.host,
    port: node.port,
    method: what.method,
    path: what.path,
    headers: { accept: "application/json", "content-length": "0", ...authorization },
    timeout: what.waitMsMax,
  };
  const trust = { rejectUnauthorized: address.verifiesCertificate, ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }) };
  return new Promise((resolve, reject) => {
    const asked = address.isTls ? requestTls({ ...options, ...trust }) : requestPlain(options);
    asked.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
        if (body.length > ANSWER_BYTES_MAX) asked.destroy(new Error("the answer is too long"));
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer to ${what.path} within ${what.waitMsMax / 1000} s`)));
    asked.on("error", reject);
    asked.end();
  });
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
