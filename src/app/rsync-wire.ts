/** Connections to rsync servers over TCP. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Dial, Wire, WireAddress, WireTimeouts } from "../actors/mirror/index.ts";
import { RainbowError } from "../core/index.ts";

const READ_BYTES = 1 << 18;

export const dialTcp: Dial = (address, timeouts) =>
  new Promise((resolve, reject) => {
    const wire = new TcpWire(address, timeouts);
    const { socket } = wire;
    const timer = setTimeout(() => fail(`no answer within ${timeouts.connectMs / 1000} s`), timeouts.connectMs);
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      const { host, port } = address;
      reject(new RainbowError("RSYNC_UNREACHABLE", `the rsync server at ${host}, port ${port}, cannot be reached: ${why}`, { host, port }, cause));
    };
    const refuse = (error: Error): void => fail(error.message, error);
    socket.once("error", refuse);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", refuse);
      wire.watch();
      resolve(wire);
    });
  });

/** Reads into one buffer, which the reader has to himself until he asks again. */
class TcpWire implements Wire {
  readonly socket: Socket;
  private readonly silenceMs: number;
  private readonly buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  private filledBytes = 0;
  /** The reader has the buffer's bytes; what came before he first asked is still to be given to him. */
  private isHeld = false;
  private hasEnded = false;
  private failure: RainbowError | undefined;
  private wake: (() => void) | undefined;

  constructor({ host, port, family, localAddress }: WireAddress, { silenceMs }: WireTimeouts) {
    this.silenceMs = silenceMs;
    const callback = (byteCount: number): boolean => {
      this.filledBytes = byteCount;
      this.wake?.();
      return false;
    };
    const place = { host, port, ...(family === undefined ? {} : { family }), ...(localAddress === undefined ? {} : { localAddress }) };
    this.socket = connect({ ...place, noDelay: true, onread: { buffer: this.buffer, callback } });
  }

  get peer(): string | undefined {
    return this.socket.remoteAddress;
  }

  /** Once the connection stands. */
  watch(): void {
    // What was said before a break counts: it often tells why. The conversation then says what is missing.
    this.socket.on("error", () => this.end());
    this.socket.on("end", () => this.end());
    this.socket.on("close", () => this.end());
    if (this.silenceMs === 0) return;
    this.socket.setTimeout(this.silenceMs);
    this.socket.on("timeout", () => this.fallSilent());
  }

  async read(): Promise<Buffer | undefined> {
    if (this.isHeld) {
      this.isHeld = false;
      this.filledBytes = 0;
      this.socket.resume();
    }
    if (this.filledBytes === 0 && !this.hasEnded) await new Promise<void>((resolve) => (this.wake = resolve));
    this.wake = undefined;
    if (this.failure !== undefined) throw this.failure;
    if (this.filledBytes === 0) return undefined;
    this.isHeld = true;
    return this.buffer.subarray(0, this.filledBytes);
  }

  write(pieces: readonly Buffer[]): void {
    if (this.hasEnded || pieces.length === 0) return;
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    this.socket.uncork();
  }

  close(): void {
    this.end();
    this.socket.destroySoon();
  }

  /** Silence counts only while somebody waits for a byte: whoever is slow to read makes the line silent himself. */
  private fallSilent(): void {
    if (this.wake === undefined) return;
    const seconds = this.silenceMs / 1000;
    this.failure = new RainbowError("RSYNC_ENDED", `the rsync server has said nothing for ${seconds} s; the connection was given up`, { seconds });
    this.end();
    this.socket.destroy();
  }

  private end(): void {
    this.hasEnded = true;
    this.wake?.();
  }
}
