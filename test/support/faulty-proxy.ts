/** A proxy on 127.0.0.1 before an HTTP server that spoils what a test tells it to. Requests pass byte by byte, so that signatures hold. */
import { createServer, request } from "node:http";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";

export type Fault =
  /** Answered by the proxy itself. */
  | { readonly kind: "status"; readonly status: number; readonly body?: string }
  /** The connection ends before the server hears of it. */
  | { readonly kind: "refuse" }
  /** The server does what was asked, and the answer is lost. */
  | { readonly kind: "lose-answer" }
  /** Nobody ever answers. */
  | { readonly kind: "silence" }
  /** So many bytes of the request's body reach the server, and its connection ends. */
  | { readonly kind: "cut-request"; readonly afterBytes: number }
  /** So many bytes of the answer's body arrive. */
  | { readonly kind: "cut"; readonly afterBytes: number };

export interface FaultyProxy {
  readonly endpoint: string;
  /** Asked for each request; undefined lets it pass. */
  fault: (method: string, url: string, headers: IncomingHttpHeaders) => Fault | undefined;
  stop(): Promise<void>;
}

/** Until the server has seen what was sent to it. */
const CUT_DELAY_MS = 20;

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const proxy = { endpoint: "", fault: (): Fault | undefined => undefined, stop: async (): Promise<void> => {} } as {
    -readonly [K in keyof FaultyProxy]: FaultyProxy[K];
  };
  const server = createServer((asked, answer) => {
    const fault = proxy.fault(asked.method ?? "", asked.url ?? "", asked.headers);
    if (fault?.kind === "status") return void answer.writeHead(fault.status, { "content-type": "application/xml" }).end(fault.body ?? "");
    if (fault?.kind === "refuse") return void asked.socket.destroy();
    if (fault?.kind === "silence") return void asked.resume();
    const { method, url, rawHeaders } = asked;
    const forwarded = request({ hostname, port, method, path: url, headers: rawHeaders, setHost: false }, (got) => passOn(got, asked, answer, fault));
    forwarded.on("error", () => asked.socket.destroy());
    if (fault?.kind === "cut-request") cutRequest(asked, forwarded, fault.afterBytes);
    else asked.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  proxy.endpoint = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  proxy.stop = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return proxy;
}

function cutRequest(asked: IncomingMessage, forwarded: ClientRequest, afterBytes: number): void {
  let left = afterBytes;
  const end = (): void => {
    forwarded.destroy();
    asked.socket.destroy();
  };
  asked.on("data", (piece: Buffer) => {
    if (left <= 0) return;
    forwarded.write(piece.subarray(0, left));
    left -= piece.length;
    if (left <= 0) setTimeout(end, CUT_DELAY_MS);
  });
  asked.once("end", () => setTimeout(end, CUT_DELAY_MS)); // It was shorter than that, and goes unanswered.
}

function passOn(got: IncomingMessage, asked: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
  if (fault?.kind === "lose-answer") {
    got.resume();
    got.once("end", () => asked.socket.destroy());
    return;
  }
  answer.writeHead(got.statusCode ?? 500, got.rawHeaders);
  if (fault?.kind !== "cut") return void got.pipe(answer);
  let left = fault.afterBytes;
  got.on("data", (piece: Buffer) => {
    answer.write(piece.subarray(0, left));
    left -= piece.length;
    if (left > 0) return;
    got.destroy();
    answer.socket?.end(); // After what was written so far.
  });
}
