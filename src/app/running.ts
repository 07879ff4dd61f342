/** The running instance of a data directory: how a command reaches it, and how it makes itself reachable. */
import type { Operations } from "./operations/index.ts";
import type { Serving } from "./socket/index.ts";

export interface RunningPlace {
  readonly dataDirectory: string;
  /** XDG_RUNTIME_DIR. */
  readonly runtimeDirectory: string | undefined;
  readonly uid: number;
}

export interface ConnectedRainbow {
  readonly operations: Operations;
  readonly pid: number;
  close(): void;
}

/** undefined where nothing runs on that data directory. */
export async function connectRunning({ dataDirectory }: RunningPlace): Promise<ConnectedRainbow | undefined> {
  const { connect, notedSocket } = await import("./socket/index.ts");
  const path = notedSocket(dataDirectory);
  const connected = path === undefined ? undefined : await connect(path);
  if (connected === undefined) return undefined;
  return { operations: connected.table, pid: connected.hello.pid, close: connected.close };
}

/** Serves until `signal` aborts or it is closed. The caller holds the data directory's lock. */
export async function serveRunning(
  operations: Operations,
  place: RunningPlace,
  options: { readonly version: string; readonly signal: AbortSignal },
): Promise<Serving> {
  const { chooseSocketPath, serveOperations } = await import("./socket/index.ts");
  const hello = { version: options.version, pid: process.pid, dataDirectory: place.dataDirectory };
  return serveOperations(operations, { path: chooseSocketPath(place), hello, signal: options.signal });
}
