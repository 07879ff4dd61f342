/** Whether anything listens on a unix socket, and how to get onto it. */
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { RainbowError } from "../../core/index.ts";

/** No socket, a socket that a dead process left, or a file that is none. */
const NOBODY: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED", "ENOTSOCK", "ENOTDIR"]);

/** A connected socket; undefined where nothing listens. */
export function connectSocket(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => {
      const code = "code" in error ? String(error.code) : "";
      if (NOBODY.has(code)) resolve(undefined);
      else if (code === "EAGAIN") reject(new RainbowError("BUSY", `${path}: too many commands wait for the running Rainbow; try again`, { path }, error));
      else reject(new RainbowError("IO", `${path}: cannot reach the running Rainbow (${error.message})`, { path, system: code }, error));
    });
  });
}

export async function isListening(path: string): Promise<boolean> {
  const socket = await connectSocket(path);
  socket?.destroy();
  return socket !== undefined;
}
