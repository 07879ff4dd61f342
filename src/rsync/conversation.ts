/**
 * A conversation with a server as a machine without a socket: bytes go in by `feed`, events come out by `next`, and what is to be sent
 * is fetched by `takeOutput`. `next` gives one event at a time and works off nothing before it is asked, so that whoever is slow slows
 * the server down. Where it gives undefined it needs more bytes: send the output, feed, and ask again.
 */
import { endedEarly } from "./failure.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./writer.ts";

const TEXTS_KEPT_MAX = 8;

export abstract class Conversation<Event> {
  protected readonly inbox = new Inbox();
  protected readonly outbox = new Outbox();
  /** What the server said in words, the last few, for the error that may follow. */
  protected readonly texts: string[] = [];
  /** What is going on, for the error where the connection ends: "while …". */
  protected where = "before it said anything";
  private readonly waiting: Event[] = [];
  private course: Generator<Event | undefined, void> | undefined;
  private failure: unknown;
  private hasFailed = false;
  private isOver = false;

  /** The server's next bytes; only where `next` gave undefined. They must not change before it does so again. */
  feed(bytes: Buffer): void {
    this.inbox.feed(bytes);
  }

  /** The server closed the connection. */
  feedEnd(): void {
    this.inbox.feedEnd();
  }

  /** What is to be sent now, in order. */
  takeOutput(): Buffer[] {
    return this.outbox.take();
  }

  /** Whether all is said: no more bytes are needed, and the connection can be closed. */
  get isFinished(): boolean {
    return this.isOver && this.waiting.length === 0;
  }

  /** The next event, or undefined where more bytes are needed or all is said. Throws a RainbowError where the conversation failed, then and ever after. */
  next(): Event | undefined {
    const event = this.waiting.shift() ?? this.advance();
    if (event !== undefined || !this.hasFailed) return event;
    throw this.failure;
  }

  /** The whole conversation, from the first line to the last: yields events, and undefined where it needs bytes. */
  protected abstract talk(): Generator<Event | undefined, void>;

  /** Called where bytes are needed: what can be said without them. */
  protected beforeWaiting(): void {}

  /** The error for a connection that ended too early. */
  protected endedError(): Error {
    return endedEarly(this.where, this.texts);
  }

  /** An event out of turn: it comes before the others. */
  protected announce(event: Event): void {
    this.waiting.push(event);
  }

  protected keepText(text: string): void {
    this.texts.push(text);
    if (this.texts.length > TEXTS_KEPT_MAX) this.texts.shift();
  }

  private advance(): Event | undefined {
    if (this.isOver || this.hasFailed) return undefined;
    this.course ??= this.talk();
    try {
      const { value, done } = this.course.next();
      if (done === true) this.isOver = true;
      else if (value === undefined) {
        this.beforeWaiting();
        if (this.inbox.isAtEnd) throw this.endedError();
      }
      return this.held(value ?? undefined);
    } catch (error) {
      this.hasFailed = true;
      this.failure = error;
      return this.waiting.shift();
    }
  }

  /** What was announced meanwhile happened before the event that the course came to. */
  private held(event: Event | undefined): Event | undefined {
    if (this.waiting.length === 0) return event;
    if (event !== undefined) this.waiting.push(event);
    return this.waiting.shift();
  }
}
