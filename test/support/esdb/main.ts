/**
 * The stand-in server, a process of its own: `main.ts FILE [PORT]`. It speaks EventStoreDB's protocol as far as the client needs it, on
 * 127.0.0.1 alone, and keeps what it is told in the embedded store at FILE, so that it can be killed and started again. Says its port.
 */
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { existsSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { openLmdbEventStore } from "../../../src/events/lmdb/index.ts";
import { featuresService, gossipService, streamsService } from "./protocol.ts";
import { RecordLog } from "./record-log.ts";
import { FEATURES, gossipOf, streamsOf } from "./services.ts";

const [file = "", port = "0"] = process.argv.slice(2);
const log = await RecordLog.open(await openLmdbEventStore({ path: file, create: !existsSync(file) }));
const grpc = new Server({ "grpc.max_receive_message_length": 17 << 20 });
grpc.addService(streamsService, streamsOf(log));
grpc.addService(featuresService, FEATURES);
grpc.addService(
  gossipService,
  gossipOf(() => (listener.address() as AddressInfo).port),
);
const grpcPort = await new Promise<number>((resolve, reject) => {
  grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
});
const http = createHttpServer((request, response) => void answerHttp(request, response)).listen(0, "127.0.0.1");

/** HTTP/1 and HTTP/2 come to the same port, as on the real server: the first bytes tell which. */
const listener = createServer((socket: Socket) => {
  socket.setNoDelay(true);
  socket.once("data", (first) => {
    const isHttp2 = first.subarray(0, 3).toString() === "PRI";
    const inner = connect(isHttp2 ? grpcPort : (http.address() as AddressInfo).port, "127.0.0.1");
    inner.setNoDelay(true);
    inner.write(first);
    socket.pipe(inner).pipe(socket);
    inner.on("error", () => socket.destroy());
    inner.on("close", () => socket.destroy());
    socket.on("close", () => inner.destroy());
  });
  socket.on("error", () => undefined); // A client that went away.
});

async function answerHttp({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
  const json = (body: unknown): void => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (url === "/health/live") return void response.writeHead(204).end();
  if (url?.startsWith("/gossip") === true) return json({ members: [] });
  if (method !== "POST" || url !== "/admin/scavenge") return void response.writeHead(404).end();
  const scavengeId = `stand-in-${Date.now()}`;
  const spaceSaved = await log.scavenge();
  const id = `00000000-0000-4000-9000-${String(Date.now()).padStart(12, "0").slice(-12)}`;
  const data = Buffer.from(JSON.stringify({ scavengeId, spaceSaved }));
  await log.append(`$scavenges-${scavengeId}`, "any", [{ id, type: "$scavengeCompleted", isJson: true, data, metadata: Buffer.alloc(0) }]);
  json({ scavengeId });
}

listener.listen(Number(port), "127.0.0.1", () => console.log(`PORT=${(listener.address() as AddressInfo).port}`));
