/** A way to a server on 127.0.0.1 on which each connection has a rate and a delay of its own, as a server far away that shares its line fairly. */
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface SlowLink {
  readonly port: number;
  stop(): Promise<void>;
}

export interface LinkSpeed {
  readonly bytesPerSecond: number;
  /** Each way. */
  readonly delayMs: number;
}

const UNDER_WAY_BYTES_MAX = 4 << 20; // What the line itself holds of one connection.

export async function startSlowLink(toPort: number, speed: LinkSpeed): Promise<SlowLink> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(toPort, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined); // Its other end closes.
      socket.on("close", () => sockets.delete(socket));
    }
    carry(far, near, speed);
    carry(near, far, speed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: typeof address === "object" && address !== null ? address.port : 0, stop };
}

/** Each piece arrives after the delay, and after all before it went out at the rate. */
function carry(from: Socket, to: Socket, { bytesPerSecond, delayMs }: LinkSpeed): void {
  let freeMs = performance.now();
  let underWayBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const later = (byteCount: number, deliver: () => void): void => {
    freeMs = Math.max(freeMs, performance.now()) + (byteCount / bytesPerSecond) * 1000;
    const dueMs = freeMs + delayMs;
    last = last.then(async () => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) await sleep(leftMs);
      deliver();
    });
  };
  from.on("data", (bytes: Buffer) => {
    underWayBytes += bytes.length;
    if (underWayBytes > UNDER_WAY_BYTES_MAX) from.pause();
    later(bytes.length, () => {
      underWayBytes -= bytes.length;
      if (!to.destroyed) to.write(bytes);
      from.resume();
    });
  });
  from.on("end", () => later(0, () => to.end()));
  from.on("close", () => later(0, () => to.destroySoon()));
}
