/** Where a command's answer goes: data to stdout, talk to stderr, and what the exit code must say in the end. */
import { EXIT } from "../core/index.ts";
import type { AsOf } from "../app/index.ts";
import type { Context } from "./context.ts";
import { jsonLine, Progress } from "./format/index.ts";
import { formatMoment } from "./instants/index.ts";

const PENDING_CHARACTERS_MAX = 64 << 10; // Lines leave together: a long listing costs few writes.

export class Report {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly progress: Progress;
  private readonly context: Context;
  private pending = "";
  private incomplete = false;

  constructor(context: Context, options: { readonly json: boolean; readonly quiet: boolean }) {
    this.context = context;
    this.isJson = options.json;
    this.isQuiet = options.quiet;
    this.progress = new Progress(
      { ...context.stderr, isTerminal: context.stderr.isTerminal && !options.quiet, write: (text) => context.stderr.write(text) },
      context.clock,
    );
  }

  /** A line of the answer for people; nothing with --json or --quiet. */
  async line(text: string): Promise<void> {
    if (!this.isJson && !this.isQuiet) await this.put(`${text}\n`);
  }

  /** A line of the answer that is the point of the command: --quiet keeps it. Nothing with --json. */
  async data(text: string): Promise<void> {
    if (!this.isJson) await this.put(`${text}\n`);
  }

  /** An object of the answer with --json; otherwise nothing. */
  async json(value: unknown): Promise<void> {
    if (this.isJson) await this.put(jsonLine(value));
  }

  /** Bytes of the answer, whatever the options. */
  async bytes(bytes: Uint8Array): Promise<void> {
    await this.flush();
    await this.context.stdout.write(bytes);
  }

  /** Talk; nothing with --quiet. */
  async say(text: string): Promise<void> {
    if (!this.isQuiet) await this.stderr(text);
  }

  /** What the user must know of, also with --quiet. */
  async warn(text: string): Promise<void> {
    await this.stderr(`rainbow: ${text}`);
  }

  /** Done, but something could not be: exit code 3 unless something worse comes. */
  async incompleteBecause(text: string): Promise<void> {
    this.incomplete = true;
    await this.warn(text);
  }

  /** Says as of when an answer is, and what stands in its way. `what` tells several answers of one command apart. */
  async asOf(asOf: AsOf, what = ""): Promise<void> {
    await this.flush();
    const { revision, timeUs, warnings, notices = [] } = asOf;
    await this.json({ type: "as-of", revision, timeUs, warnings, ...(notices.length === 0 ? {} : { notices }) });
    await this.say(`${what === "" ? "" : `${what} `}as of ${this.moment(asOf)}`);
    for (const notice of notices) await this.warn(notice);
    for (const warning of warnings) await this.incompleteBecause(warning);
  }

  /** `2026-05-01 17:00:00.123 +08:00 (r4821)`. */
  moment({ timeUs, revision }: { readonly timeUs: number; readonly revision: number }): string {
    return `${formatMoment(timeUs, this.context.zone)} (r${revision})`;
  }

  async flush(): Promise<void> {
    const text = this.pending;
    this.pending = "";
    if (text !== "") await this.context.stdout.write(text);
  }

  /** `code`, or 3 where it is 0 and something was incomplete. */
  exitCode(code: number = EXIT.ok): number {
    return code === EXIT.ok && this.incomplete ? EXIT.incomplete : code;
  }

  private async put(text: string): Promise<void> {
    if (this.context.stdout.isTerminal) await this.progress.clear();
    this.pending += text;
    if (this.pending.length >= PENDING_CHARACTERS_MAX || this.context.stdout.isTerminal) await this.flush();
  }

  private async stderr(text: string): Promise<void> {
    await this.flush(); // So that both come in order where they meet on a terminal.
    await this.progress.clear();
    await this.context.stderr.write(`${text}\n`);
  }
}
