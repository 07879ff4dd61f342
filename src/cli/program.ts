/** Reads the words of one call, runs its command, and turns whatever happens into an exit code. */
import { Command, CommanderError, Option } from "commander";
import type { OutputConfiguration } from "commander";
import { ERRORS, EXIT, isRainbowError, OsError } from "../core/index.ts";
import type { CommandFile } from "./command.ts";
import { COMMANDS, commandName } from "./commands/index.ts";
import type { CommandEntry } from "./commands/index.ts";
import type { Context } from "./context.ts";
import type { GlobalOptions } from "./invocation.ts";

const HELP_END = `
INSTANT is now, 10m, 2h, 3d (ago), 17:00, yesterday, 'yesterday 17:00', a date (its 00:00), an ISO time with or without zone,
a snapshot's name, or a revision such as r4821. PATH@INSTANT is short for PATH --at INSTANT; './a@10m' is the file of that name.
Exit codes: 0 done, 1 differs or nothing found, 2 usage, 3 done but incomplete, 10 no store, 11 not running, 12 busy,
13 newer format, 30 damaged data.`;

type Words = readonly (string | readonly string[] | undefined)[];
type Start = (entry: CommandEntry, words: Words, options: GlobalOptions) => Promise<number>;

interface ProgramOptions {
  readonly version: string;
  readonly output?: OutputConfiguration;
  readonly start: Start;
  /** The one command whose options are wanted; absent: all. */
  readonly only?: string;
}

/** The exit code of one call; `words` are those after the program's name. Says what is wrong on stderr. Never rejects. */
export async function runProgram(words: readonly string[], context: Context): Promise<number> {
  let exitCode: number = EXIT.ok;
  let talk = "";
  let answer = "";
  const start: Start = async (entry, given, options) => (exitCode = await runCommand(entry, given, options, context));
  const output: OutputConfiguration = {
    writeOut: (text) => void (answer += text),
    writeErr: (text) => void (talk += text),
    outputError: (text, write) => write(text.replace(/^error: /, "rainbow: ")),
    getOutHelpWidth: () => context.stdout.columnCount,
    getErrHelpWidth: () => context.stderr.columnCount,
  };
  const program = await buildProgram({ version: context.version, output, start, only: namedCommand(words) });
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? EXIT.ok : EXIT.usage) : await reportFailure(error, context);
  }
  await context.stdout.write(answer);
  await context.stderr.write(talk);
  return exitCode;
}

/** The whole command line; options only of the command `only` (all where it is undefined), as each file costs time to load. */
export async function buildProgram(options: ProgramOptions): Promise<Command> {
  const program = new Command("rainbow");
  program
    .description("Backup that keeps every write: any instant of a protected folder can be listed, read, compared and restored.")
    .version(`rainbow ${options.version}`, "-V, --version", "print the version")
    .usage("[options] COMMAND")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .addOption(new Option("--data-dir <dir>", "where the data lies (default: RAINBOW_DATA_DIR, else /var/lib/rainbow or ~/.local/share/rainbow)"))
    .option(
      "--config <file>",
      "the configuration file (default: RAINBOW_CONFIG, else /etc/rainbow/rainbow.json or ~/.config/rainbow/rainbow.json, where it is there)",
    )
    .option("--json", "answer in JSON, one object a line; times in UTC")
    .option("-q, --quiet", "no talk: the answer alone, or nothing but the exit code")
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText("after", HELP_END)
    .showSuggestionAfterError()
    .configureOutput(options.output ?? {})
    .exitOverride();
  for (const entry of COMMANDS) await addCommand(program, entry, options);
  return program;
}

async function addCommand(program: Command, entry: CommandEntry, { start, only }: ProgramOptions): Promise<void> {
  const command = program.command(entry.usage).description(entry.summary).helpGroup(entry.group).copyInheritedSettings(program);
  if (only === undefined || only === commandName(entry)) (await entry.load()).command.declare?.(command);
  command.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    await start(entry, given.slice(0, -2) as Words, self.optsWithGlobals());
  });
}

/** The first word that is no option; a guess is enough, as it only decides what is loaded. "" for none. */
export function namedCommand(words: readonly string[]): string {
  for (let i = 0; i < words.length; i++) {
    const each = words[i] ?? "";
    if (each === "--data-dir" || each === "--config") i++;
    else if (each === "help" && words[i + 1] !== undefined) return words[i + 1] ?? "";
    else if (!each.startsWith("-")) return each;
  }
  return "";
}

async function runCommand(entry: CommandEntry, words: Words, options: GlobalOptions, context: Context): Promise<number> {
  const [{ command }, { Invocation }] = await Promise.all([entry.load(), import("./invocation.ts")]);
  const invocation = new Invocation(context, options, () => buildProgram({ version: context.version, start: async () => EXIT.ok }));
  let exitCode: number;
  try {
    exitCode = invocation.report.exitCode(await (command as CommandFile<GlobalOptions>).run(invocation, words, options));
    if (context.signal.aborted && commandName(entry) !== "up") exitCode = context.interruptedExitCode();
  } catch (error) {
    await invocation.report.flush();
    await invocation.report.progress.clear();
    exitCode =
      context.signal.aborted && commandName(entry) !== "up" ? context.interruptedExitCode() : await reportFailure(error, context, options.json === true);
  }
  try {
    await invocation.close();
  } catch (error) {
    if (exitCode === EXIT.ok || exitCode === EXIT.incomplete) exitCode = await reportFailure(error, context, options.json === true);
  }
  return exitCode;
}

/** Says what, where and what to do, with the stable code; returns the exit code. */
export async function reportFailure(error: unknown, context: Pick<Context, "stderr" | "stdout">, asJson = false): Promise<number> {
  if (isRainbowError(error)) {
    await context.stderr.write(`rainbow: ${error.message} [${error.code}]\n`);
    if (asJson) await context.stdout.write(`${JSON.stringify({ type: "error", code: error.code, message: error.message, facts: error.facts })}\n`);
    return error.exitCode;
  }
  if (error instanceof OsError || isSystemError(error)) {
    await context.stderr.write(`rainbow: ${error.message} [IO]\n`);
    return ERRORS.IO.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  await context.stderr.write(`rainbow: this is a bug in Rainbow; nothing that was acknowledged is lost. Please report it with these lines:\n${text}\n`);
  return EXIT.bug;
}

/** What node:fs and its kin throw: the machine's refusal, not a bug. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && "syscall" in error;
}
