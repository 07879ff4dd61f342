/** Who is at the other end of a local socket, as the kernel knows it; undefined without the addon. */
import { loadAddon } from "./addon.ts";

export interface Peer {
  readonly pid: number;
  readonly uid: number;
}

export function openPeer(): ((fd: number) => Peer | undefined) | undefined {
  const addon = loadAddon();
  if (typeof addon === "string") return undefined;
  const { peerOf } = addon;
  return (fd) => {
    const answer = peerOf(fd);
    if (typeof answer === "number") return undefined;
    const [pid = 0, uid = -1] = answer;
    return { pid, uid };
  };
}
