/** One run of one command: its report, and the operations it asks, of a running instance or of the data directory itself. */
import type { Command } from "commander";
import type { Config, OpenedRainbow, Operations } from "../app/index.ts";
import { isRainbowError, RainbowError } from "../core/index.ts";
import { argumentBytes, shellWord } from "./format/index.ts";
import type { Context } from "./context.ts";
import { formatMoment } from "./instants/index.ts";
import { replayReport } from "./replay-report.ts";
import { Report } from "./report.ts";

export interface GlobalOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface OpenHere {
  /** A missing data directory is made. */
  readonly create?: boolean;
  readonly mode?: "protect" | "read" | "repair";
  /** Where the events are to be. */
  readonly events?: string;
  /** Where this process opens the data directory: called once it is its own. */
  readonly onStarting?: (operations: Operations) => Promise<void>;
}

const BUSY_WAIT_MS = 5000; // Another command may have the data directory open; most are done by then.
const BUSY_STEP_MS = 100;

export class Invocation {
  readonly context: Context;
  readonly report: Report;
  /** The command line with the options of all commands, for completion. */
  readonly wholeProgram: () => Promise<Command>;
  private readonly globals: GlobalOptions;
  private readConfig: Config | undefined;
  private chosen: string | undefined;
  private opened: { readonly operations: Operations; readonly isRunning: boolean } | undefined;
  private readonly closers: (() => void | Promise<void>)[] = [];

  constructor(context: Context, globals: GlobalOptions, wholeProgram: () => Promise<Command>) {
    this.context = context;
    this.wholeProgram = wholeProgram;
    this.globals = globals;
    this.report = new Report(context, { json: globals.json === true, quiet: globals.quiet === true });
  }

  /** What the configuration file says; nothing where there is none. */
  get config(): Config {
    return (this.readConfig ??= this.context.machine.readConfig(this.globals.config, this.globals.dataDir));
  }

  /** Absolute, without symlinks where it exists. */
  get dataDirectory(): string {
    return (this.chosen ??= this.context.machine.chooseDataDirectory(this.globals.dataDir, this.config));
  }

  /** A running instance's operations; undefined where none runs. */
  async running(): Promise<Operations | undefined> {
    if (this.opened?.isRunning === true) return this.opened.operations;
    const connected = await this.context.machine.connect(this.dataDirectory);
    if (connected === undefined) return undefined;
    this.closers.push(() => connected.close());
    this.context.signal.addEventListener("abort", () => connected.close(), { once: true }); // Ends what waits for an answer.
    this.opened = { operations: connected.operations, isRunning: true };
    return connected.operations;
  }

  /** As running(), but NOT_RUNNING where none runs. */
  async needRunning(): Promise<Operations> {
    const running = await this.running();
    if (running !== undefined) return running;
    const directory = this.dataDirectory;
    const advice = `start it with '${this.hint("up")}', or name another with --data-dir`;
    throw new RainbowError("NOT_RUNNING", `no Rainbow runs on ${directory}; ${advice}`, { dataDirectory: directory });
  }

  /** Operations, by whoever can give them. Waits a little for another command to finish. */
  async operations(options: OpenHere = {}): Promise<Operations> {
    if (this.opened !== undefined) return this.opened.operations;
    const { clock, signal } = this.context;
    const untilUs = clock.monotonicUs() + BUSY_WAIT_MS * 1000;
    for (;;) {
      const running = await this.running();
      if (running !== undefined) return running;
      try {
        return await this.openHere(options);
      } catch (error) {
        if (!isRainbowError(error, "BUSY") || clock.monotonicUs() > untilUs || signal.aborted) throw error;
        await clock.sleep(BUSY_STEP_MS, signal);
      }
    }
  }

  /** Whether a running instance answers; known once operations were asked for. */
  get isAnsweredByRunning(): boolean {
    return this.opened?.isRunning === true;
  }

  /** How a command of this data directory is written, for hints: with --data-dir unless every shell would choose the same. */
  hint(words: string): string {
    const isDefault = this.context.machine.isDefaultDataDirectory(this.dataDirectory);
    return `${this.context.program} ${isDefault ? "" : `--data-dir ${shellWord(argumentBytes(this.dataDirectory))} `}${words}`;
  }

  /** To be called before the command returns, whatever happened. */
  onClose(closer: () => void | Promise<void>): void {
    this.closers.push(closer);
  }

  /** Closes what was opened, last first. */
  async close(): Promise<void> {
    for (let closer = this.closers.pop(); closer !== undefined; closer = this.closers.pop()) await closer();
    await this.report.progress.clear();
    await this.report.flush();
  }

  private async reportUnfinished(unfinished: Awaited<ReturnType<OpenedRainbow["close"]>>): Promise<void> {
    if (unfinished === undefined) return;
    const { reason, durableUntilUs } = unfinished;
    await this.report.json({ type: "unfinished", ...unfinished });
    const until = durableUntilUs === undefined || durableUntilUs === 0 ? "" : ` everything up to ${formatMoment(durableUntilUs, this.context.zone)} is;`;
    await this.report.warn(`not everything could be stored (${reason}):${until} what changed since is in the files alone, and the next start finds it`);
  }

  private async openHere({ mode = "read", create = false, events, onStarting }: OpenHere): Promise<Operations> {
    const options = {
      dataDirectory: this.dataDirectory,
      mode,
      create,
      onReplay: replayReport(this.report, this.context.clock, mode === "protect"),
      ...(events === undefined ? {} : { events }),
      ...(onStarting === undefined ? {} : { onStarting }),
    };
    const opened = await this.context.machine.open(options, this.config);
    await this.report.progress.clear();
    this.closers.push(async () => await this.reportUnfinished(await opened.close()));
    this.opened = { operations: opened.operations, isRunning: false };
    for (const warning of mode === "protect" ? (opened.warnings ?? []) : []) await this.report.warn(warning); // Whoever only reads heard it from `up`.
    return opened.operations;
  }
}
