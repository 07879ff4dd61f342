/** Who asks for an operation: a user of the operating system, by the local socket or by this process itself. */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { openPeer } from "./os/index.ts";

const NOBODY_LOGGED_IN = 2 ** 32 - 1; // What the kernel says where no login led to a process, of a service for example.
const PASSWD = "/etc/passwd";

export interface Asker {
  /** -1 where that is not known. */
  readonly uid: number;
  /** The user's name; "" where it has none here. */
  readonly user: string;
  /** The user behind a sudo, where the kernel keeps it; else -1. */
  readonly loginUid: number;
  /** 0 where that is not known. */
  readonly pid: number;
}

/** This process and its user. */
export function ownAsker(): Asker {
  return askerOf(process.pid, process.getuid?.() ?? -1);
}

/**
 * Whoever connected, by the kernel's word. Where the addon is not built nobody can be told apart, and the user is taken to be that of this
 * process: the socket's file lets in no other but root.
 */
export function askerAt(socket: Socket): Asker {
  const descriptor = descriptorOf(socket);
  const peer = descriptor === undefined ? undefined : openPeer()?.(descriptor);
  return peer === undefined ? { ...ownAsker(), loginUid: -1, pid: 0 } : askerOf(peer.pid, peer.uid);
}

/** Node has no call for it; libuv's handle shows it on Unix. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

function askerOf(pid: number, uid: number): Asker {
  return { uid, user: userName(uid), loginUid: loginUid(pid), pid };
}

function loginUid(pid: number): number {
  const uid = Number(textOf(`/proc/${pid}/loginuid`) || NOBODY_LOGGED_IN);
  return Number.isSafeInteger(uid) && uid !== NOBODY_LOGGED_IN ? uid : -1;
}

/** Read anew each time: users come and go, and nobody asks often. */
function userName(uid: number): string {
  const line = textOf(PASSWD)
    .split("\n")
    .find((each) => each.split(":")[2] === String(uid));
  return line?.split(":")[0]?.slice(0, 200) ?? "";
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // A kernel without audit, a container without users: then there is only the number.
  }
}
