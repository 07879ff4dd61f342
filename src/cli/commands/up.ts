/** rainbow up: protects the folders in the foreground, until Ctrl-C. Where an instance runs already, hands it the folders. */
import { isDeepStrictEqual } from "node:util";
import type { ByteString, Config, Operations, StatusAnswer } from "../../app/index.ts";
import { EXIT, isRainbowError, RainbowError } from "../../core/index.ts";
import { wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { declareRootOptions, protectedFolders, rootOptionsFor } from "../root-options.ts";
import type { RootWords } from "../root-options.ts";
import { reportHints, reportInitialBackup, reportPlace } from "../up-report.ts";

const SCAN_POLL_MS = 250; // While a scan runs somebody may look at its progress.
const IDLE_POLL_MS = 5000;

interface Options extends RootWords {
  readonly events?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) => {
    declareRootOptions(self);
    self.option(
      "--events <where>",
      "keep the events on a server (esdb://…, kurrentdb://…) or 'embedded'; remembered (default: RAINBOW_EVENTS, else where they were)",
    );
  },
  run: async (invocation, words, options) => {
    const folders = protectedFolders(invocation, wordList(words, 0));
    const { config } = invocation;
    const { machine, signal } = invocation.context;
    let server: { close(): Promise<void> } | undefined;
    const onStarting = async (starting: Operations): Promise<void> => {
      server = await machine.serve(starting, invocation.dataDirectory, new AbortController().signal);
    };
    const closeServer = async (): Promise<void> => await server?.close();
    invocation.onClose(closeServer); // Where opening fails.
    const operations = await invocation.operations({
      mode: "protect",
      create: folders.length > 0 || config.roots.length > 0,
      onStarting,
      ...eventsOption(options.events),
    });
    if (invocation.isAnsweredByRunning && options.events !== undefined)
      throw new RainbowError("BUSY", `a Rainbow runs on ${invocation.dataDirectory} already: stop it first to say where its events are to be`, {});
    if (invocation.isAnsweredByRunning) return handOver(invocation, operations, folders, options);
    invocation.onClose(closeServer); // Before the stores are closed: nobody is answered from closed ones.
    const backedUp = new Set((await operations.roots()).filter((root) => root.firstScanDone).map((root) => root.root as number));
    await configure(operations, config);
    await addRoots(invocation, operations, folders, options);
    const roots = await operations.roots();
    const mirrors = await operations.mirrors();
    if (roots.length === 0 && mirrors.length === 0) {
      throw new RainbowError(
        "USAGE",
        `nothing is protected in ${invocation.dataDirectory} yet: name a folder, as in '${invocation.hint("up ~/Documents")}'`,
        {},
      );
    }
    await reportPlace(invocation, roots, mirrors);
    await protect(invocation, operations, backedUp);
    await invocation.report.json({ type: "stopping" });
    await invocation.report.say(signal.aborted ? "stopping: what is under way is being stored (Ctrl-C again ends at once)" : "stopping");
    return EXIT.ok;
  },
};

function eventsOption(events: string | undefined): { readonly events?: string } {
  return events === undefined ? {} : { events };
}

async function handOver(invocation: Invocation, operations: Operations, folders: readonly ByteString[], options: RootWords): Promise<number> {
  const { report, dataDirectory } = invocation;
  const { pid } = await operations.status();
  if (folders.length === 0) {
    throw new RainbowError("BUSY", `process ${pid} protects ${dataDirectory} already; '${invocation.hint("status")}' shows how it does`, {
      pid,
      dataDirectory,
    });
  }
  await report.line(`data directory: ${dataDirectory}`);
  await addRoots(invocation, operations, folders, options);
  for (const path of folders) {
    await report.json({ type: "handed-over", path, pid });
    await report.line(`process ${pid} runs already and protects ${nameForPeople(path)} from now on; '${invocation.hint("status")}' shows how far it is`);
  }
  return EXIT.ok;
}

/** The file's roots have its rules, whatever was said before; what it does not name stays. A known one may be away just now. */
async function configure(operations: Operations, { roots, policyWords }: Config): Promise<void> {
  const known = new Map((await operations.roots()).map(({ path, options }) => [path, options]));
  for (const { path, options } of roots) if (!isDeepStrictEqual(known.get(path), options)) await operations.addRoot({ path, options });
  if (policyWords.length > 0) await operations.setPolicy({ words: policyWords, acceptTime: false });
}

async function addRoots(invocation: Invocation, operations: Operations, folders: readonly ByteString[], options: RootWords): Promise<void> {
  for (const path of folders) await operations.addRoot({ path, options: await rootOptionsFor(invocation, operations, path, options) });
}

/** Watches over what runs until the signal: progress, the report after each initial backup, every change of state. */
async function protect(invocation: Invocation, operations: Operations, backedUp: ReadonlySet<number>): Promise<void> {
  const { report, context } = invocation;
  const backups = new InitialBackups(invocation, operations, backedUp);
  let said = "";
  let hasHints = false;
  while (!context.signal.aborted) {
    const status = await statusOf(operations);
    const isDone = status !== undefined && (await backups.follow(status));
    if (isDone && !hasHints) await reportHints(invocation, status);
    hasHints ||= isDone;
    if (status !== undefined) said = await reportState(invocation, status, said);
    await showScan(invocation, status);
    await context.clock.sleep(isDone && status.scan === undefined ? IDLE_POLL_MS : SCAN_POLL_MS, context.signal);
  }
  await report.progress.clear();
}

/** Reports each initial backup once, when all of it is durable. */
class InitialBackups {
  private readonly invocation: Invocation;
  private readonly operations: Operations;
  private readonly startedUs: number;
  private readonly flushes = new Map<number, "under way" | "durable" | "reported">();

  /** `backedUp`: roots whose initial backup was done before this start. */
  constructor(invocation: Invocation, operations: Operations, backedUp: ReadonlySet<number>) {
    this.invocation = invocation;
    this.operations = operations;
    this.startedUs = invocation.context.clock.monotonicUs();
    for (const root of backedUp) this.flushes.set(root, "reported");
  }

  /** Whether every root's has been reported. */
  async follow(status: StatusAnswer): Promise<boolean> {
    for (const root of status.roots.filter((each) => each.firstScanDone)) {
      const flush = this.flushes.get(root.root);
      if (flush === undefined) void this.flush(root.root);
      if (flush !== "durable") continue;
      this.flushes.set(root.root, "reported");
      await reportInitialBackup(this.invocation, this.operations, root, this.invocation.context.clock.monotonicUs() - this.startedUs);
    }
    return status.roots.every((root) => this.flushes.get(root.root) === "reported");
  }

  /** The scan is done when everything was read; the backup, when the host has it. Not awaited: a blocked host must not hide its state. */
  private async flush(root: number): Promise<void> {
    this.flushes.set(root, "under way");
    try {
      await this.operations.flush({ full: false });
      this.flushes.set(root, "durable");
    } catch {
      this.flushes.delete(root); // Tried again at the next look; status says what is wrong.
    }
  }
}

/** undefined while the host opens its stores anew; it says so itself when it cannot. */
async function statusOf(operations: Operations): Promise<StatusAnswer | undefined> {
  try {
    return await operations.status();
  } catch (error) {
    if (isRainbowError(error, "BUSY")) return undefined;
    throw error;
  }
}

async function showScan({ report }: Invocation, status: StatusAnswer | undefined): Promise<void> {
  const scan = status?.scan;
  if (scan === undefined) return report.progress.clear();
  const phase = scan.first ? "initial backup" : "comparing";
  await report.progress.show({ phase, doneBytes: scan.doneBytes, allBytes: scan.allBytes, doneCount: scan.doneNodes, allCount: scan.allNodes });
}

/** Says a change of state once. Returns what was said last. */
async function reportState({ report }: Invocation, status: StatusAnswer, said: string): Promise<string> {
  if (status.state === "starting" || status.state === "idle") return said;
  const text = [status.state, ...status.reasons].join("; ");
  const isFirst = said === "" && status.reasons.length === 0 && status.state !== "paused";
  if (text === said || isFirst) return text;
  await report.json({ type: "state", state: status.state, reasons: status.reasons });
  await report.warn(text);
  return text;
}
