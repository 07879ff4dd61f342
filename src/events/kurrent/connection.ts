/**
 * One client of the server, made anew after each outage: the old one's reads may never come back. A client that appends is warmed up
 * by one refused append before anything is pipelined, as its first append would be overtaken by the next ones.
 */
import type { KurrentDBClient } from "@kurrent/kurrentdb-client";
import { isRainbowError } from "../../core/index.ts";
import type { Address } from "./address.ts";
import { denied, failureKind, unreachable } from "./failures.ts";

/** Expectation that no stream fulfils: an append of no events with it is refused and tells the stream's real end. */
export const IMPOSSIBLE_REVISION = 4_611_686_018_427_387_904n;
const WARM_UP_STREAM = "rainbow-warm-up";
const RETRY_MS = 250;
const RETRY_MS_MAX = 2000;

export interface Limits {
  /** One request that gets no answer counts as failed after this long. */
  readonly requestMsMax: number;
  /** An outage is waited out for this long before it is an error. */
  readonly outageMsMax: number;
}

/** The server answers within 10 s or says that it could not; an election takes 2 to 5 s, a restart of a large node a minute. */
export const LIMITS: Limits = { requestMsMax: 15_000, outageMsMax: 60_000 };

export class Connection {
  readonly address: Address;
  readonly limits: Limits;
  private readonly isWriter: boolean;
  private current: Promise<KurrentDBClient> | undefined;
  private isClosed = false;

  constructor(address: Address, options: { readonly isWriter: boolean; readonly limits: Limits }) {
    this.address = address;
    this.isWriter = options.isWriter;
    this.limits = options.limits;
  }

  /** The client of the moment. Rejects where it cannot be made or warmed up; the next call tries again. */
  client(): Promise<KurrentDBClient> {
    if (this.current === undefined) {
      const made = this.make();
      this.current = made;
      made.catch(() => {
        if (this.current === made) this.current = undefined;
      });
    }
    return this.current;
  }

  /** Drops the client that failed, unless that happened already. */
  async renew(failed: KurrentDBClient | undefined): Promise<void> {
    const current = await this.current?.catch(() => undefined);
    if (failed === undefined || current !== failed) return;
    this.current = undefined;
    await dispose(failed, this.limits.requestMsMax);
  }

  /** Runs what may be repeated until it succeeds or fails for good; waits out an outage. STORE_UNREACHABLE, STORE_REFUSED. */
  async patiently<T>(work: (client: KurrentDBClient) => Promise<T>, outageMsMax = this.limits.outageMsMax): Promise<T> {
    const giveUpAtMs = performance.now() + outageMsMax;
    for (let pauseMs = RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      let client: KurrentDBClient | undefined;
      try {
        client = await this.client();
        return await within(work(client), this.limits.requestMsMax);
      } catch (error) {
        if (isRainbowError(error)) throw error; // Not the connection's: what came over it is not right.
        const kind = failureKind(error);
        if (kind === "denied") throw denied(this.address, "read or append", error);
        if (kind !== "unknown") throw error;
        if (performance.now() > giveUpAtMs || this.isClosed) throw unreachable(this.address, error);
        await this.renew(client);
        await pause(pauseMs);
      }
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const client = await this.current?.catch(() => undefined);
    this.current = undefined;
    if (client !== undefined) await dispose(client, this.limits.requestMsMax);
  }

  private async make(): Promise<KurrentDBClient> {
    const { KurrentDBClient: Client } = await import("@kurrent/kurrentdb-client");
    const client = Client.connectionString(this.address.connectionString);
    try {
      if (this.isWriter) await within(warmUp(client), this.limits.requestMsMax);
    } catch (error) {
      await dispose(client, this.limits.requestMsMax);
      throw error;
    }
    return client;
  }
}

async function warmUp(client: KurrentDBClient): Promise<void> {
  try {
    await client.appendToStream(WARM_UP_STREAM, [], { streamState: IMPOSSIBLE_REVISION });
  } catch (error) {
    if (failureKind(error) !== "conflict") throw error;
  }
}

/** Ends its streams and, as the client has no call for it, its channel; what hangs is left behind. */
async function dispose(client: KurrentDBClient, waitMsMax: number): Promise<void> {
  const inner = client as unknown as { getChannel(): Promise<{ close(): void }> };
  const ending = client.dispose().then(() => inner.getChannel());
  await within(ending, waitMsMax).then(
    (channel) => channel.close(),
    () => undefined,
  );
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

/** Rejects where `work` takes longer; what comes of it later is nobody's concern. */
export async function within<T>(work: Promise<T>, waitMsMax: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${waitMsMax / 1000} s`)), waitMsMax);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
