/**
 * Calls the operations of a running Rainbow through its local socket. Several calls may be under way at once on one connection; a
 * stream that is not consumed pauses its source and holds up no other. When the other side goes away every open call fails with
 * NOT_RUNNING.
 */
import type { Socket } from "node:net";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Operations } from "../operations/index.ts";
import { decodeFailure } from "./failures.ts";
import { creditPayload, encodeFrame, FRAME, FrameReader, jsonPayload, jsonValue, PROTOCOL_VERSION, STREAM_WINDOW_BYTES } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { connectSocket } from "./listening.ts";
import { OPERATIONS_MANIFEST } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import type { Hello } from "./server.ts";

const HELLO_MS_MAX = 30_000; // A host in the middle of something long still gets a turn by then.
const CREDIT_BYTES = STREAM_WINDOW_BYTES / 4; // How much is consumed before the source hears of it.

export interface Connected<T> {
  readonly table: T;
  readonly hello: Hello;
  close(): void;
}

/** The operations of what listens on `path`; undefined where nothing does. NEWER_FORMAT where it is another version of the protocol. */
export function connect(path: string): Promise<Connected<Operations> | undefined> {
  return connectTable<Operations>(path, OPERATIONS_MANIFEST);
}

export async function connectTable<T>(path: string, manifest: Manifest): Promise<Connected<T> | undefined> {
  const socket = await connectSocket(path);
  if (socket === undefined) return undefined;
  const line = new Line(socket, path);
  const hello = await line.hello();
  if (hello.protocol !== PROTOCOL_VERSION) {
    line.close();
    const what = `another version of Rainbow (${hello.version}, process ${hello.pid}) runs on ${hello.dataDirectory}`;
    throw new RainbowError("NEWER_FORMAT", `${what}: use its own command line, or stop it and start this one`, { ...hello });
  }
  const methods = Object.entries(manifest).map(([name, shape]) => [
    name,
    shape === "stream" ? (argument: unknown, signal?: AbortSignal) => line.stream(name, argument, signal) : (argument: unknown) => line.call(name, argument),
  ]);
  return { table: Object.fromEntries(methods) as T, hello, close: () => line.close() };
}

/** What has arrived for one request and was not taken yet. */
class Inbox {
  private readonly frames: Frame[] = [];
  private failure: Error | undefined;
  private wake: (() => void) | undefined;

  put(frame: Frame): void {
    this.frames.push(frame);
    this.wake?.();
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.wake?.();
  }

  interrupt(): void {
    this.wake?.();
  }

  /** The next frame, in order; undefined once `signal` is aborted. */
  async take(signal?: AbortSignal): Promise<Frame | undefined> {
    for (;;) {
      if (signal?.aborted === true) return undefined;
      const frame = this.frames.shift();
      if (frame !== undefined) return frame;
      if (this.failure !== undefined) throw this.failure;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

class Line {
  private readonly socket: Socket;
  private readonly path: string;
  private readonly reader = new FrameReader();
  private readonly inboxes = new Map<number, Inbox>();
  private readonly greeting = new Inbox();
  private failure: Error | undefined;
  private nextRequest = 1;

  constructor(socket: Socket, path: string) {
    this.socket = socket;
    this.path = path;
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("error", () => socket.destroy()); // "close" follows.
    socket.once("close", () => this.fail(new RainbowError("NOT_RUNNING", "the running Rainbow went away in the middle of the answer; try again", { path })));
  }

  async hello(): Promise<Hello> {
    const timer = setTimeout(() => {
      this.greeting.fail(
        new RainbowError("BUSY", `${this.path}: the running Rainbow does not answer; try again, or look at its own messages`, { path: this.path }),
      );
    }, HELLO_MS_MAX);
    try {
      return jsonValue((await this.greeting.take())?.payload ?? Buffer.alloc(0)) as Hello;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async call(name: string, argument: unknown): Promise<unknown> {
    const { request, inbox } = this.open(name, argument);
    try {
      const frame = await inbox.take();
      return frame === undefined ? undefined : answerOf(frame);
    } finally {
      this.inboxes.delete(request);
    }
  }

  async *stream(name: string, argument: unknown, signal?: AbortSignal): AsyncGenerator<unknown> {
    const { request, inbox } = this.open(name, argument);
    const interrupt = (): void => inbox.interrupt();
    signal?.addEventListener("abort", interrupt);
    let isOver = false;
    let consumedBytes = 0;
    try {
      for (;;) {
        const frame = await inbox.take(signal);
        isOver = frame !== undefined && (frame.kind === FRAME.done || frame.kind === FRAME.error);
        if (frame === undefined || frame.kind === FRAME.done) return;
        yield frame.kind === FRAME.bytes ? { type: "bytes", bytes: frame.payload } : answerOf(frame);
        consumedBytes += frame.payload.length;
        if (consumedBytes < CREDIT_BYTES) continue;
        this.send(FRAME.credit, request, creditPayload(consumedBytes));
        consumedBytes = 0;
      }
    } finally {
      signal?.removeEventListener("abort", interrupt);
      this.inboxes.delete(request);
      if (!isOver) this.send(FRAME.cancel, request, Buffer.alloc(0));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private open(name: string, argument: unknown): { readonly request: number; readonly inbox: Inbox } {
    if (this.failure !== undefined) throw this.failure;
    const request = this.nextRequest++;
    const inbox = new Inbox();
    this.inboxes.set(request, inbox);
    this.send(FRAME.request, request, jsonPayload({ name, argument }));
    return { request, inbox };
  }

  private send(kind: Frame["kind"], request: number, payload: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(encodeFrame(kind, request, payload));
  }

  private receive(chunk: Buffer): void {
    try {
      for (const frame of this.reader.push(chunk)) this.deliver(frame);
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      this.fail(error);
      this.close();
    }
  }

  private deliver(frame: Frame): void {
    if (frame.kind === FRAME.hello) this.greeting.put(frame);
    else if (frame.kind === FRAME.error && frame.request === 0) this.fail(decodeFailure(frame.payload));
    else this.inboxes.get(frame.request)?.put(frame); // Without one: it was cancelled, and this was on its way.
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const inbox of [this.greeting, ...this.inboxes.values()]) inbox.fail(this.failure);
  }
}

function answerOf(frame: Frame): unknown {
  if (frame.kind === FRAME.error) throw decodeFailure(frame.payload);
  return jsonValue(frame.payload);
}
