/** Opens a data directory in this process. The stores and actors are loaded here and not before: most commands only ask a running instance. */
import type { Clock, Random } from "../core/index.ts";
import type { Unfinished } from "./host.ts";
import type { CopiedStream, CopyRequest } from "./copy-events.ts";
import type { Operations, ProofItem, ReplayStatus } from "./operations/index.ts";
import type { VerifyRequest } from "./verify-events.ts";
import type { ListedItem, ListRequest } from "./rsync-lists.ts";

export interface OpenRainbowOptions {
  readonly dataDirectory: string;
  /** "protect": captures. "read": serves people's commands alone. "repair": as "read", and the control file is first made anew. */
  readonly mode: "protect" | "read" | "repair";
  /** Whether a missing data directory is made; else NO_STORE. */
  readonly create: boolean;
  /** Where the events are to be: "embedded", or a server's address. Absent: where they were. */
  readonly events?: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when the data directory is this process's own and nothing is open yet: `operations` answers, `status` at once and the rest when it can. */
  readonly onStarting?: (operations: Operations) => Promise<void>;
  /** Called a few times a second while a long tail of events is replayed. */
  readonly onReplay?: (replay: ReplayStatus) => void;
}

export interface OpenedRainbow {
  readonly operations: Operations;
  /** For people: what is unwise or slow just now, but no reason to refuse it. */
  readonly warnings?: readonly string[];
  /** Resolves with what could not be made durable, where that is so. */
  close(): Promise<Unfinished | undefined>;
}

/** As open.ts has it. */
export async function openRainbow(options: OpenRainbowOptions): Promise<OpenedRainbow> {
  const opener = await import("./open.ts");
  return opener.openRainbow(options);
}

/** As verify-events.ts has it. */
export async function* verifyEvents(request: VerifyRequest): AsyncGenerator<ProofItem> {
  const verifier = await import("./verify-events.ts");
  yield* verifier.verifyEvents(request);
}

export async function storedHeads(request: Omit<VerifyRequest, "head">): Promise<string> {
  const verifier = await import("./verify-events.ts");
  return await verifier.storedHeads(request);
}

/** Moves the history to another store, as copy-events.ts has it. */
export async function* copyEvents(request: CopyRequest): AsyncGenerator<CopiedStream> {
  const copier = await import("./copy-events.ts");
  yield* copier.copyEvents(request);
}

/** What an rsync server has, as rsync-lists.ts has it. */
export async function* listRsync(request: ListRequest): AsyncGenerator<ListedItem> {
  const lister = await import("./rsync-lists.ts");
  yield* lister.listRsync(request);
}
