/** What a server has, without a mirror: its modules, or the list of a module or a path. */
import type { Wire, WireTimeouts } from "../actors/mirror/index.ts";
import { RainbowError } from "../core/index.ts";
import type { ByteString, NodeKind } from "../core/index.ts";
import { ModuleListing, openDigests, Session } from "../rsync/index.ts";
import { loginOf, parseSource, rulesOfLines } from "./mirroring/index.ts";
import type { LoginDigest } from "./mirroring/index.ts";
import type { FilterLines } from "./operations/index.ts";
import { openXxh3, openZstdStreams } from "./os/index.ts";
import { dialTcp } from "./rsync-wire.ts";

export interface ListRequest {
  readonly source: string;
  readonly isRecursive: boolean;
  readonly filterLines: readonly FilterLines[];
  readonly timeouts: WireTimeouts;
  readonly family: 4 | 6 | undefined;
  readonly localAddress: string | undefined;
  readonly protocolMax: number | undefined;
  readonly passwordFile: string | undefined;
  readonly loginDigest: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

export type ListedItem =
  | { readonly type: "message"; readonly text: string }
  | { readonly type: "module"; readonly name: string; readonly comment: string }
  | {
      readonly type: "listed";
      readonly path: ByteString;
      readonly kind: NodeKind;
      readonly mode: number;
      readonly sizeBytes: number;
      readonly mtimeSeconds: number;
      readonly mtimeNanos: number;
      readonly linkTarget: ByteString;
    }
  /** The list is not whole. */
  | { readonly type: "incomplete"; readonly why: string };

type Conversation = Pick<ModuleListing | Session, "feed" | "feedEnd" | "takeOutput" | "isFinished">;

/** Asks the server, and gives what it lists as it comes. */
export async function* listRsync(request: ListRequest): AsyncGenerator<ListedItem> {
  const { host, port, user, module, path } = parseSource(request.source);
  const { family, localAddress, passwordFile, environment, signal } = request;
  const digests = await openDigests(openXxh3());
  const wire = await dialTcp({ host, port, family, localAddress }, request.timeouts);
  const stop = (): void => wire.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (module === "") return yield* modules(wire, signal);
    const login = loginOf({ user, password: undefined, passwordFile, weakestDigest: request.loginDigest as LoginDigest | undefined, environment });
    const asked = (path !== "" && request.source.endsWith("/") ? `${path}/` : path) as ByteString; // With the slash what is in it, as rsync has it.
    const { isRecursive, protocolMax } = request;
    const filters = rulesOfLines(request.filterLines);
    const options = {
      module,
      paths: [asked],
      isRecursive,
      filters,
      ...(login === undefined ? {} : { login }),
      ...(protocolMax === undefined ? {} : { protocolMax }),
    };
    yield* files(new Session(options, digests, openZstdStreams()), wire, signal);
  } finally {
    signal.removeEventListener("abort", stop);
    wire.close();
  }
}

async function* modules(wire: Wire, signal: AbortSignal): AsyncGenerator<ListedItem> {
  const listing = new ModuleListing();
  do {
    for (let event = listing.next(); event !== undefined; event = listing.next()) yield event.type === "motd" ? { type: "message", text: event.text } : event;
  } while (await goOn(listing, wire, signal));
}

async function* files(session: Session, wire: Wire, signal: AbortSignal): AsyncGenerator<ListedItem> {
  let isListed = false;
  do {
    for (let event = session.next(); event !== undefined; event = session.next()) {
      if (event.type === "motd" || event.type === "message") yield { type: "message", text: event.text };
      if (event.type === "listEnd" && event.ioError !== 0) yield { type: "incomplete", why: "the server could not read everything" };
      if (event.type !== "entry") continue;
      isListed = true;
      const { path, kind, mode, sizeBytes, mtimeSeconds, mtimeNanos, linkTarget } = event.entry;
      yield { type: "listed", path, kind, mode, sizeBytes, mtimeSeconds, mtimeNanos, linkTarget: linkTarget ?? ("" as ByteString) };
    }
  } while (await goOn(session, wire, signal));
  if (!isListed) throw new RainbowError("NOT_FOUND", "the rsync server has nothing under that path", {});
}

/** Sends, and waits for bytes; false when all is said. */
async function goOn(conversation: Conversation, wire: Wire, signal: AbortSignal): Promise<boolean> {
  wire.write(conversation.takeOutput());
  if (conversation.isFinished || signal.aborted) return false;
  const bytes = await wire.read();
  if (bytes === undefined) conversation.feedEnd();
  else conversation.feed(bytes);
  return true;
}
