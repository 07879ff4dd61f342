/**
 * The audit's view of the table: what people ask for is noted, with who asked and what came of it. Noted is what brings content or
 * names of the past to light (or content of now), what changes what is kept or protected, and every refusal of these. Asking how
 * things stand, or for the audit itself, is not. What takes long is noted when it begins, too, so that a host that is killed in the
 * middle leaves a trace. A store that takes no entry holds up nothing: the answer goes on, and says so.
 */
import type { Entry } from "../../actors/audit/index.ts";
import { displayOf, EXIT, isRainbowError } from "../../core/index.ts";
import type { ByteString, Revision } from "../../core/index.ts";
import type { ActionKind, ActionResult } from "../../events/index.ts";
import { ownAsker } from "../asker.ts";
import type { Asker } from "../asker.ts";
import type { OperationsContext } from "./context.ts";
import type { MirrorSummary } from "./mirror-types.ts";
import type { AsOfItem, InstantWords, Operations, PolicyAnswer, RebasedItem, RestoreRequest, RestoreSummary, SnapshotEntry } from "./types.ts";

/** What is noted of an operation. Paths and words come from its request. */
interface Noted {
  readonly action: ActionKind;
  /** It is noted when it begins, too. */
  readonly isLong?: true;
  /** Default: always. */
  readonly when?: (request: Asked) => boolean;
  readonly paths?: (request: Asked) => readonly (ByteString | undefined)[];
  /** What was wanted, for people. */
  readonly wanted?: (request: Asked) => string;
}

/** Any request: each operation has some of these. */
type Asked = Partial<
  {
    readonly path: ByteString;
    readonly at: InstantWords;
    readonly otherPath: ByteString;
    readonly otherAt: InstantWords;
    readonly name: string;
    readonly mirror: string;
  } & Pick<RestoreRequest, "target" | "inPlace" | "dryRun" | "delete"> & {
      readonly words: readonly string[];
      readonly acceptTime: boolean;
      readonly to: InstantWords | undefined;
      readonly pattern: string;
      readonly into: string;
      readonly paths: readonly ByteString[];
    }
>;

const DETAIL_CHARACTERS_MAX = 1000;
const PATHS_MAX = 16; // As an entry has them.
const PATH_BYTES_MAX = 4096;
const REFUSED: ReadonlySet<number> = new Set([EXIT.differs, EXIT.usage, EXIT.noStore, EXIT.notRunning, EXIT.busy, EXIT.newerFormat]);

const isPast = ({ at, otherAt }: Asked): boolean => at?.kind !== "now" || (otherAt !== undefined && otherAt.kind !== "now");
const onePath = ({ path }: Asked): (ByteString | undefined)[] => [path];

const NOTED: { readonly [Name in keyof Operations]?: Noted } = {
  read: { action: "read", paths: onePath, wanted: () => "content" },
  list: { action: "read", paths: onePath, when: isPast, wanted: () => "names" },
  find: { action: "read", paths: onePath, when: isPast, wanted: ({ pattern }) => `names like '${pattern ?? ""}'` },
  diff: { action: "read", paths: ({ path, otherPath }) => (path === otherPath ? [path] : [path, otherPath]), wanted: () => "differences" },
  log: { action: "read", paths: onePath, wanted: () => "versions" },
  deleted: { action: "read", paths: onePath, wanted: () => "what was deleted" },
  restore: { action: "restore", isLong: true, paths: onePath, wanted: restoreText },
  undelete: { action: "undelete", isLong: true, paths: onePath, wanted: restoreText },
  snapshot: { action: "snapshot", wanted: (request) => ofMirror(request, request.name ?? "") },
  dropSnapshot: { action: "drop", wanted: (request) => ofMirror(request, request.name ?? "") },
  setPolicy: { action: "policy", wanted: (request) => ofMirror(request, request.acceptTime === true ? "accept-time" : (request.words ?? []).join(" ")) },
  rebase: {
    action: "rebase",
    isLong: true,
    wanted: (request) => ofMirror(request, request.to === undefined ? "what the policy lets go" : `to ${instantText(request.to)}`),
  },
  purge: { action: "purge", isLong: true, when: ({ dryRun }) => dryRun !== true, paths: ({ paths }) => paths ?? [] },
  replay: { action: "read", when: ({ into }) => into !== undefined, wanted: ({ into }) => `a replay into '${into ?? ""}'` },
  addRoot: { action: "protect", paths: onePath },
  removeRoot: { action: "release", paths: onePath },
  pause: { action: "pause" },
  resume: { action: "pause", wanted: () => "resume" },
  repair: { action: "repair", isLong: true },
  mirrorAdd: { action: "protect", wanted: mirrorText },
  mirrorSet: { action: "policy", wanted: mirrorText },
  mirrorRemove: { action: "release", wanted: mirrorText },
  mirrorForget: { action: "repair", paths: ({ paths }) => paths ?? [], wanted: mirrorText },
  mirrorRecover: { action: "repair", isLong: true, wanted: mirrorText },
};

function ofMirror({ mirror }: Asked, text: string): string {
  return mirror === undefined ? text : `${text}, of the mirror '${mirror}'`;
}

function mirrorText({ name }: Asked): string {
  return name === undefined ? "a mirror" : `the mirror '${name}'`;
}

function restoreText({ target, inPlace, dryRun, delete: isDeleting }: Asked): string {
  const how = [dryRun === true ? "dry run" : "", isDeleting === true ? "deleting what was not there" : ""].filter((text) => text !== "");
  const where = inPlace === true ? "in place" : target === undefined ? "to where it was" : `to '${displayOf(target)}'`;
  return [where, ...how].join(", ");
}

function instantText(at: InstantWords): string {
  return at.kind === "time" ? at.text : at.kind === "revision" ? `r${at.revision}` : at.kind === "name" ? at.name : "now";
}

type Method = (request: Asked, signal?: AbortSignal, asker?: Asker) => unknown;

/** The same table; what NOTED names is noted in the trail. */
export function audited(context: OperationsContext, table: Operations): Operations {
  const noting = Object.entries(NOTED).map(([name, noted]) => {
    const method = table[name as keyof Operations] as Method;
    return [name, STREAMS.has(name) ? streamNoted(context, name, noted, method) : callNoted(context, name, noted, method)];
  });
  return { ...table, ...(Object.fromEntries(noting) as Partial<Operations>) };
}

const STREAMS: ReadonlySet<string> = new Set<keyof Operations>([
  "read",
  "list",
  "find",
  "diff",
  "log",
  "deleted",
  "restore",
  "undelete",
  "rebase",
  "purge",
  "repair",
  "replay",
  "mirrorRecover",
]);

function callNoted(context: OperationsContext, name: string, noted: Noted, method: Method): Method {
  return async (request, signal, asker) => {
    const noting = new Noting(context, name, noted, request, asker);
    try {
      const answer = await (method(request, signal) as Promise<unknown>);
      noting.answered(answer);
      await noting.end("done");
      return answer;
    } catch (error) {
      await noting.failed(error);
      throw error;
    }
  };
}

function streamNoted(context: OperationsContext, name: string, noted: Noted, method: Method): Method {
  return async function* (request, signal, asker) {
    const items = method(request, signal) as AsyncIterable<{ readonly type: string }>;
    if (noted.when?.(request) === false) return yield* items;
    const noting = new Noting(context, name, noted, request, asker);
    if (noted.isLong === true) await noting.start();
    let isOver = false;
    try {
      for await (const item of items) {
        noting.answered(item);
        yield item.type === "as-of" ? noting.withNotice(item as AsOfItem) : item;
      }
      isOver = true;
      await noting.end(signal?.aborted === true ? "stopped" : "done");
    } catch (error) {
      isOver = true;
      await noting.failed(error);
      throw error;
    } finally {
      if (!isOver) await noting.end("stopped"); // Whoever asked went away.
    }
  };
}

/** One request on its way. */
class Noting {
  private readonly context: OperationsContext;
  private readonly name: string;
  private readonly noted: Noted;
  private readonly request: Asked;
  private readonly asker: Asker;
  private readonly id: string;
  private readonly paths: readonly ByteString[];
  private revision = -1 as Revision;
  private outcome = "";

  constructor(context: OperationsContext, name: string, noted: Noted, request: Asked, asker: Asker | undefined) {
    this.context = context;
    this.name = name;
    this.noted = noted;
    this.request = request;
    this.asker = asker ?? ownAsker();
    this.paths = (noted.paths?.(request) ?? []).filter((path) => path !== undefined).map(fitting);
    this.id = context.random.uuid();
  }

  async start(): Promise<void> {
    await this.note("started", "", "");
  }

  async end(result: ActionResult): Promise<void> {
    await this.note(result, "", this.outcome);
  }

  async failed(error: unknown): Promise<void> {
    const isRefusal = isRainbowError(error) && REFUSED.has(error.exitCode);
    const why = error instanceof Error ? error.message : String(error);
    await this.note(isRefusal ? "refused" : "failed", isRainbowError(error) ? error.code : "", why);
  }

  /** Takes from an answer, or an item of one, what is worth keeping. */
  answered(answer: unknown): void {
    const item = answer as AsOfItem | SnapshotEntry | RestoreSummary | MirrorSummary | RebasedItem | PolicyAnswer | undefined;
    if (item === undefined || item === null) return;
    if ("type" in item && item.type === "as-of" && this.revision < 0) this.revision = item.revision as Revision;
    else if ("type" in item && item.type === "summary") this.outcome = "counts" in item ? countsText(item.counts) : summaryText(item);
    else if ("type" in item && item.type === "rebased") this.revision = item.windowRevision as Revision;
    else if ("pinned" in item) this.revision = item.revision as Revision;
  }

  /** An answer says where its entry has to wait: the store takes nothing just now. */
  withNotice(item: AsOfItem): AsOfItem {
    const { waitingCount, failure } = this.context.host.trail.state;
    if (failure === undefined) return item;
    const why = failure instanceof Error ? failure.message : "no reason was given";
    return { ...item, notices: [`the audit cannot be written just now (${why}); ${waitingCount} of its entries wait in memory`] };
  }

  private async note(result: ActionResult, code: string, outcome: string): Promise<void> {
    const { host, clock, machine } = this.context;
    const { uid, user, loginUid, pid } = this.asker;
    const more = this.paths.length > PATHS_MAX ? `and ${this.paths.length - PATHS_MAX} more paths` : "";
    const details = [this.noted.wanted?.(this.request) ?? "", more, outcome].filter((text) => text !== "");
    const entry: Entry = {
      request: this.id,
      action: this.noted.action,
      operation: this.name,
      uid,
      user,
      loginUid,
      pid,
      machine,
      paths: this.paths.slice(0, PATHS_MAX),
      revision: this.revision,
      result,
      code,
      detail: details.join(": ").slice(0, DETAIL_CHARACTERS_MAX),
      atUs: clock.now(),
      witness: host.witness(),
    };
    await host.trail.note(entry);
  }
}

/** What was asked for may be no path at all: what is kept of it is within the limits of one. */
function fitting(path: ByteString): ByteString {
  return path.slice(0, PATH_BYTES_MAX).replace(/[^\x00-\xff]/g, "?") as ByteString;
}

/** `3 adopted, 2 corrected`. */
function countsText(counts: MirrorSummary["counts"]): string {
  return Object.entries(counts)
    .flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name.replace(/Count$/, "")}`]))
    .join(", ");
}

function summaryText({ createdCount, replacedCount, deletedCount, failedCount }: RestoreSummary): string {
  const counts = [`${createdCount} created`, `${replacedCount} replaced`];
  if (deletedCount > 0) counts.push(`${deletedCount} deleted`);
  if (failedCount > 0) counts.push(`${failedCount} failed`);
  return counts.join(", ");
}
