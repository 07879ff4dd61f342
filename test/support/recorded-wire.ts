/** Connections that are recorded, played again without a server, and cut. */
import type { Dial, Wire } from "../../src/actors/mirror/index.ts";
import { RainbowError } from "../../src/core/index.ts";

/** What the server said in each connection, piece by piece as it was read. */
export type Recorded = readonly (readonly Buffer[])[];

export class Recorder {
  readonly connections: Buffer[][] = [];

  dial(through: Dial): Dial {
    return async (address, timeouts) => {
      const wire = await through(address, timeouts);
      const pieces: Buffer[] = [];
      this.connections.push(pieces);
      const read = async (): Promise<Buffer | undefined> => {
        const bytes = await wire.read();
        if (bytes !== undefined) pieces.push(Buffer.from(bytes));
        return bytes;
      };
      return { read, write: (sent) => wire.write(sent), close: () => wire.close() };
    };
  }
}

/** Says again what was recorded, and ends after `bytesMax`: as a connection does that breaks. What is sent is not looked at: the same sync says the same. */
export function replayed(recorded: Recorded, bytesMax = Infinity): Dial {
  let left = bytesMax;
  let connection = 0;
  return async () => {
    const pieces = recorded[connection++];
    if (pieces === undefined) throw new RainbowError("RSYNC_UNREACHABLE", "nothing more was recorded");
    let place = 0;
    const wire: Wire = {
      read: async () => {
        const piece = pieces[place++];
        if (piece === undefined || left <= 0) return undefined;
        const said = piece.subarray(0, left);
        left -= said.length;
        return said;
      },
      write: () => undefined,
      close: () => undefined,
    };
    return wire;
  };
}

/** Connections that break after so many bytes of the server. */
export function cutting(through: Dial, bytesMax: number): Dial {
  return async (address, timeouts) => cut(await through(address, timeouts), bytesMax);
}

/** Ends after so many bytes of the server. */
export function cut(wire: Wire, bytesMax: number): Wire {
  let left = bytesMax;
  const read = async (): Promise<Buffer | undefined> => {
    const bytes = left <= 0 ? undefined : await wire.read();
    const said = bytes?.subarray(0, left);
    left -= said?.length ?? 0;
    return said;
  };
  return { read, write: (sent) => wire.write(sent), close: () => wire.close() };
}

export function byteCountOf(recorded: Recorded): number {
  return recorded.flat().reduce((sum, piece) => sum + piece.length, 0);
}

/** Calls `action` when so many bytes have come, before any more do. */
export function onceReceived(through: Dial, byteCount: number, action: () => void): Dial {
  return async (address, timeouts) => {
    const wire = await through(address, timeouts);
    let left = byteCount;
    const read = async (): Promise<Buffer | undefined> => {
      const bytes = await wire.read();
      const isDue = left > 0 && left <= (bytes?.length ?? 0);
      left -= bytes?.length ?? 0;
      if (isDue) action();
      return bytes;
    };
    return { read, write: (sent) => wire.write(sent), close: () => wire.close() };
  };
}
