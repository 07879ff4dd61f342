/**
 * Serves a table of operations on a unix socket to processes of the same user. Promises: a request ends with exactly one done or
 * error frame unless it was cancelled; a stream sends at most STREAM_WINDOW_BYTES beyond what its reader consumed; what a client
 * asked for is aborted when it goes away.
 */
import { chmodSync, unlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import { encodeFailure } from "./failures.ts";
import { BYTES_FRAME_MAX, creditOf, encodeHeader, FRAME, FRAME_BYTES_MAX, FrameReader, jsonPayload, jsonValue, PROTOCOL_VERSION } from "./frames.ts";
import { REQUEST_BYTES_MAX, STREAM_WINDOW_BYTES } from "./frames.ts";
import type { Frame, FrameKind } from "./frames.ts";
import { isListening } from "./listening.ts";
import type { Manifest } from "./manifest.ts";

const CONNECTIONS_MAX = 64; // Commands of one user; each holds two windows at most in practice.
const REQUESTS_MAX = 32; // At once on one connection.

export interface Hello {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly dataDirectory: string;
}

export interface ServeOptions {
  readonly path: string;
  readonly manifest: Manifest;
  readonly hello: Omit<Hello, "protocol">;
  /** Aborted: every connection is closed and the socket's file removed. */
  readonly signal: AbortSignal;
  /** Who connected: handed to every operation that is asked for on that line. */
  readonly askerAt?: (socket: Socket) => unknown;
}

export interface Serving {
  readonly path: string;
  connectionCount(): number;
  close(): Promise<void>;
}

type Method = (request: unknown, signal: AbortSignal, asker: unknown) => unknown;
export type Table = Readonly<Record<string, Method>>;

/** Listens on `path` (mode 0600). A file that a dead process left there is replaced; BUSY where a live one listens. */
export async function serve(table: Table, options: ServeOptions): Promise<Serving> {
  if (await isListening(options.path)) {
    throw new RainbowError("BUSY", `${options.path}: another process listens there already; stop it first`, { path: options.path });
  }
  removeFile(options.path);
  const connections = new Set<Connection>();
  const hello: Hello = { protocol: PROTOCOL_VERSION, ...options.hello };
  const server = createServer((socket) => {
    const connection = new Connection(socket, table, options.manifest, hello, options.askerAt?.(socket));
    connections.add(connection);
    socket.once("close", () => connections.delete(connection));
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.path);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeServer(server, connections));
  options.signal.addEventListener("abort", () => void close(), { once: true });
  if (options.signal.aborted) await close();
  return { path: options.path, connectionCount: () => connections.size, close };
}

/** The file is made inside the call to listen, so the umask is narrowed around it alone. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new RainbowError("IO", `${path}: cannot listen there (${error.message})`, { path }, error)));
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        chmodSync(path, 0o600);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

async function closeServer(server: Server, connections: ReadonlySet<Connection>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve())); // Removes the socket's file too.
  for (const connection of connections) connection.end();
  await closed;
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

/** One request under way. */
interface Running {
  readonly abort: AbortController;
  sentBytes: number;
  consumedBytes: number;
  /** Wakes the stream that waits for its reader. */
  wake: (() => void) | undefined;
}

class Connection {
  private readonly socket: Socket;
  private readonly table: Table;
  private readonly manifest: Manifest;
  private readonly asker: unknown;
  private readonly running = new Map<number, Running>();
  private readonly reader = new FrameReader(REQUEST_BYTES_MAX);
  private isCorked = false;

  constructor(socket: Socket, table: Table, manifest: Manifest, hello: Hello, asker: unknown) {
    this.socket = socket;
    this.table = table;
    this.manifest = manifest;
    this.asker = asker;
    socket.on("error", () => socket.destroy()); // The client went away in the middle; "close" follows and aborts its requests.
    socket.once("close", () => this.abortAll());
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    this.send(FRAME.hello, 0, jsonPayload(hello));
  }

  /** Sends what is written, then closes; requests under way are aborted. */
  end(): void {
    this.abortAll();
    this.uncork();
    this.socket.destroySoon();
  }

  private abortAll(): void {
    for (const running of this.running.values()) stop(running);
    this.running.clear();
  }

  private receive(chunk: Buffer): void {
    try {
      for (const frame of this.reader.push(chunk)) this.handle(frame);
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      this.send(FRAME.error, 0, encodeFailure(error)); // Request 0: the connection itself. What follows on it cannot be trusted.
      this.end();
    }
  }

  private handle(frame: Frame): void {
    const running = this.running.get(frame.request);
    if (frame.kind === FRAME.request) this.start(frame);
    else if (frame.kind === FRAME.credit && running !== undefined) {
      running.consumedBytes += creditOf(frame.payload);
      running.wake?.();
    } else if (frame.kind === FRAME.cancel && running !== undefined) {
      this.running.delete(frame.request);
      stop(running);
    }
  }

  private start({ request, payload }: Frame): void {
    const { name, argument } = (jsonValue(payload) ?? {}) as { name?: unknown; argument?: unknown };
    const shape = typeof name === "string" && Object.hasOwn(this.manifest, name) ? this.manifest[name] : undefined;
    const method = shape === undefined ? undefined : this.table[name as string];
    if (shape === undefined || method === undefined) return this.refuse(request, `there is no operation '${String(name)}'`);
    if (this.running.has(request)) return this.refuse(request, `request ${request} is under way already`);
    if (this.running.size >= REQUESTS_MAX) return this.refuse(request, `at most ${REQUESTS_MAX} requests at once`);
    const running: Running = { abort: new AbortController(), sentBytes: 0, consumedBytes: 0, wake: undefined };
    this.running.set(request, running);
    void this.answer(request, running, () => method.call(this.table, argument, running.abort.signal, this.asker), shape === "stream");
  }

  private refuse(request: number, why: string): void {
    this.send(FRAME.error, request, encodeFailure(new RainbowError("LIMIT", `local socket: ${why}`)));
  }

  /** Never rejects: whatever goes wrong is the answer. */
  private async answer(request: number, running: Running, call: () => unknown, isStream: boolean): Promise<void> {
    try {
      const answer = isStream ? await this.pump(request, running, call() as AsyncIterable<unknown>) : await call();
      if (this.isLive(request, running)) this.sendJson(FRAME.done, request, answer);
    } catch (error) {
      if (this.isLive(request, running)) this.send(FRAME.error, request, encodeFailure(error));
    }
    if (this.isLive(request, running)) this.running.delete(request);
  }

  private isLive(request: number, running: Running): boolean {
    return this.running.get(request) === running;
  }

  private async pump(request: number, running: Running, items: AsyncIterable<unknown>): Promise<undefined> {
    for await (const item of items) {
      const content = contentOf(item);
      if (content === undefined) await this.sendItem(request, running, FRAME.item, jsonPayload(item));
      for (let at = 0; content !== undefined && at < content.length; at += BYTES_FRAME_MAX) {
        await this.sendItem(request, running, FRAME.bytes, content.subarray(at, at + BYTES_FRAME_MAX));
      }
      if (running.abort.signal.aborted) break; // Leaving the loop ends the iterable.
    }
    return undefined;
  }

  /** Waits until the reader has room, and until the line has. */
  private async sendItem(request: number, running: Running, kind: FrameKind, payload: Buffer): Promise<void> {
    assertFits(payload);
    while (running.sentBytes > running.consumedBytes && running.sentBytes + payload.length > running.consumedBytes + STREAM_WINDOW_BYTES) {
      if (running.abort.signal.aborted) return;
      await new Promise<void>((resolve) => (running.wake = resolve));
    }
    if (!this.isLive(request, running)) return;
    running.sentBytes += payload.length;
    this.send(kind, request, payload);
  }

  private sendJson(kind: FrameKind, request: number, value: unknown): void {
    const payload = jsonPayload(value);
    assertFits(payload);
    this.send(kind, request, payload);
  }

  /** Frames of one turn of the event loop leave together. */
  private send(kind: FrameKind, request: number, payload: Buffer): void {
    if (this.socket.destroyed) return;
    if (!this.isCorked) {
      this.isCorked = true;
      this.socket.cork();
      process.nextTick(() => this.uncork());
    }
    this.socket.write(encodeHeader(kind, request, payload.length));
    if (payload.length > 0) this.socket.write(payload);
  }

  private uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    this.socket.uncork();
  }
}

function stop(running: Running): void {
  running.abort.abort();
  running.wake?.();
}

function contentOf(item: unknown): Buffer | undefined {
  if (typeof item !== "object" || item === null || !("type" in item) || item.type !== "bytes" || !("bytes" in item)) return undefined;
  return item.bytes instanceof Uint8Array ? Buffer.from(item.bytes.buffer, item.bytes.byteOffset, item.bytes.byteLength) : undefined;
}

function assertFits(payload: Buffer): void {
  if (payload.length <= FRAME_BYTES_MAX) return;
  throw new RainbowError("LIMIT", `an answer of ${payload.length} bytes is too long for the local socket; ask for less at once`, {
    payloadBytes: payload.length,
  });
}
