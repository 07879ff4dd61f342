/** Carries a conversation over a socket: reads only when the conversation has worked off what it was given. */
import { connect } from "node:net";
import type { Socket } from "node:net";

/** What Session and ModuleListing have in common. */
export interface Conversing<Event> {
  feed(bytes: Buffer): void;
  feedEnd(): void;
  next(): Event | undefined;
  takeOutput(): Buffer[];
  readonly isFinished: boolean;
}

export interface Watch {
  /** Told each piece as it goes over the wire. */
  readonly onReceived?: (bytes: Buffer) => void;
  readonly onSent?: (bytes: Buffer) => void;
}

const READ_BYTES = 1 << 18;

/** Runs it to its end. `handle` takes each event before the next one is made; the error of a conversation that failed is thrown. */
export async function converse<Event>(
  conversation: Conversing<Event>,
  port: number,
  handle: (event: Event) => void | Promise<void>,
  watch: Watch = {},
): Promise<void> {
  const wire = new Wire(port);
  try {
    for (;;) {
      for (let event = conversation.next(); event !== undefined; event = conversation.next()) {
        const handled = handle(event);
        if (handled !== undefined) await handled;
      }
      for (const bytes of conversation.takeOutput()) {
        watch.onSent?.(bytes);
        wire.socket.write(bytes);
      }
      if (conversation.isFinished) return;
      const piece = await wire.read();
      if (piece === undefined) conversation.feedEnd();
      else {
        watch.onReceived?.(piece);
        conversation.feed(piece);
      }
    }
  } catch (error) {
    for (const bytes of conversation.takeOutput()) wire.socket.write(bytes);
    throw error;
  } finally {
    wire.socket.destroySoon();
  }
}

/** A socket that is read into one buffer, which the reader has to himself until he asks again. */
class Wire {
  readonly socket: Socket;
  private filledBytes = 0;
  private hasEnded = false;
  private isHeld = false;
  private readonly buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  private wake: (() => void) | undefined;

  constructor(port: number) {
    const callback = (byteCount: number): boolean => {
      this.filledBytes = byteCount;
      this.isHeld = true;
      this.wake?.();
      return false;
    };
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer: this.buffer, callback } });
    this.socket.on("error", () => this.end()); // What was said before it counts; the conversation tells what is missing.
    this.socket.on("end", () => this.end());
    this.socket.on("close", () => this.end());
  }

  async read(): Promise<Buffer | undefined> {
    if (this.isHeld) {
      this.isHeld = false;
      this.filledBytes = 0;
      this.socket.resume();
    }
    if (this.filledBytes === 0 && !this.hasEnded) await new Promise<void>((resolve) => (this.wake = resolve));
    this.wake = undefined;
    return this.filledBytes > 0 ? this.buffer.subarray(0, this.filledBytes) : undefined;
  }

  private end(): void {
    this.hasEnded = true;
    this.wake?.();
  }
}
