/** rainbow restore: brings back a file or a folder as it was at an instant. */
import type { Entry, InstantWords, RestoreRequest, RestoreSummary } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { AT_OPTION, collect, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { argumentBytes, kindName, nameForPeople, plural, shellWord } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { absolutePath, pathAt } from "../paths.ts";
import type { PathAt } from "../paths.ts";
import { reportRestore, summaryText } from "../streams.ts";
import { printContent } from "./cat.ts";

interface Options {
  readonly at?: string;
  readonly to?: string;
  readonly inPlace?: boolean;
  readonly overwrite?: boolean;
  readonly delete?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly verbose?: boolean;
}

const DELETIONS_SHOWN_MAX = 10;

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(...AT_OPTION)
      .option("--to <target>", "a folder: TARGET becomes what PATH was; a file: as cp has it; -: a file's bytes to stdout")
      .option("--in-place", "back to where it was; flushes first, and prints the command that undoes it")
      .option("--overwrite", "also into a target that is not empty, over files of the same name; deletes nothing")
      .option("--delete", "delete what PATH did not have at that instant; shows first what that is")
      .option("-y, --yes", "do not ask before deleting")
      .option("-n, --dry-run", "only say what would be done")
      .option("--include <pattern>", "only what matches (gitignore syntax, relative to PATH); may be given again", collect)
      .option("--exclude <pattern>", "not what matches; may be given again", collect)
      .option("-v, --verbose", "name each path"),
  run: async (invocation, words, options) => {
    refuseNonsense(options);
    const place = await pathAt(invocation, word(words, 0), options.at);
    if (options.inPlace === true && !place.isNamed) {
      throw new RainbowError("USAGE", `restore --in-place: as of when? Name an instant, as in '${nameForPeople(place.path)}@10m' or --at yesterday`);
    }
    if (options.to === "-") {
      await printContent(invocation, place);
      return EXIT.ok;
    }
    return restore(invocation, place, options);
  },
};

function refuseNonsense(options: Options): void {
  const wrong =
    options.inPlace === true && options.to !== undefined
      ? "--in-place and --to exclude each other"
      : options.inPlace !== true && options.to === undefined
        ? "where to? --to TARGET, --to - for stdout, or --in-place"
        : options.to === ""
          ? "--to takes a name that is not empty"
          : options.delete === true && options.overwrite !== true && options.inPlace !== true
            ? "--delete goes with --overwrite or --in-place"
            : undefined;
  if (wrong !== undefined) throw new RainbowError("USAGE", `restore: ${wrong}`);
}

async function restore(invocation: Invocation, place: PathAt, options: Options): Promise<number> {
  const operations = await invocation.operations();
  // Settled once: what is shown, asked about and done is one revision, however long the user thinks.
  const { revision } = await operations.instant({ path: place.path, at: place.at });
  const at: InstantWords = { kind: "revision", revision };
  const { entry } = await operations.stat({ path: place.path, at });
  const request = requestOf(invocation, place.path, at, entry, options);
  if (request.delete && !(await agreesToDelete(invocation, request, options))) return EXIT.ok;
  const items = operations.restore(request, invocation.context.signal);
  const summary = await reportRestore(invocation, items, { showsEach: options.verbose === true || request.dryRun });
  if (invocation.context.signal.aborted) return EXIT.interrupted;
  if (summary !== undefined) await conclude(invocation, request, summary);
  return summary === undefined || summary.failedCount + summary.doubtfulCount + summary.purgedCount > 0 ? EXIT.incomplete : EXIT.ok;
}

function requestOf(invocation: Invocation, path: ByteString, at: InstantWords, entry: Entry, options: Options): RestoreRequest {
  return {
    path,
    at,
    target: options.inPlace === true ? path : targetOf(invocation, options.to ?? "", entry),
    overwrite: options.overwrite === true || options.inPlace === true,
    delete: options.delete === true,
    dryRun: options.dryRun === true,
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    inPlace: options.inPlace === true,
  };
}

/** A folder becomes the target; anything else goes into a target that is a folder, as cp has it. */
function targetOf(invocation: Invocation, to: string, entry: Entry): ByteString {
  const target = absolutePath(to, invocation.context.cwd);
  if (entry.kind === "directory") return target;
  if (invocation.context.machine.kindAt(target) === "directory") return (target === "/" ? `/${entry.name}` : `${target}/${entry.name}`) as ByteString;
  if (!to.endsWith("/")) return target;
  const what = `'${nameForPeople(entry.path)}' is a ${kindName(entry.kind)}, and there is no folder '${nameForPeople(target)}'`;
  throw new RainbowError("TARGET_REFUSED", `${what}; make it first, or name the file without the slash`, { target: nameForPeople(target) });
}

/** Shows what would go. With --dry-run that is all; otherwise the user must agree. */
async function agreesToDelete(invocation: Invocation, request: RestoreRequest, options: Options): Promise<boolean> {
  if (request.dryRun) return true; // The dry run itself names each.
  const { report, context } = invocation;
  const doomed: ByteString[] = [];
  let count = 0;
  for await (const item of (await invocation.operations()).restore({ ...request, dryRun: true }, context.signal)) {
    if (item.type === "progress") await report.progress.show(item);
    if (item.type !== "restored" || item.what !== "would-delete") continue;
    count++;
    if (doomed.length < DELETIONS_SHOWN_MAX) doomed.push(item.path);
  }
  await report.progress.clear();
  if (context.signal.aborted) return false;
  if (count === 0) return true;
  await report.warn(`${plural(count, "entry", "entries")} below ${nameForPeople(request.target)} would be deleted:`);
  for (const path of doomed) await report.say(`  ${nameForPeople(path)}`);
  if (count > doomed.length) await report.say(`  … and ${plural(count - doomed.length, "more", "more")}`);
  if (options.yes === true) return true;
  const answer = await context.ask(`Delete ${plural(count, "entry", "entries")}? [y/N] `);
  if (answer === undefined) throw new RainbowError("USAGE", "restore --delete: nobody to ask here; --yes agrees beforehand, --dry-run lists all", { count });
  if (/^y(es)?$/i.test(answer.trim())) return true;
  await report.say("nothing was done");
  return false;
}

async function conclude(invocation: Invocation, request: RestoreRequest, summary: RestoreSummary): Promise<void> {
  const { report } = invocation;
  const where = request.inPlace ? "in place" : `to ${nameForPeople(request.target)}`;
  await report.line(`${request.dryRun ? "would restore" : "restored"} ${nameForPeople(request.path)} ${where}: ${summaryText(summary)}`);
  if (summary.undoRevision === undefined || request.dryRun) return;
  const patterns = [...request.include.flatMap((each) => ["--include", each]), ...request.exclude.flatMap((each) => ["--exclude", each])];
  const rest = patterns.map((each) => ` ${shellWord(argumentBytes(each))}`).join("");
  await report.say(`to undo it: ${invocation.hint(`restore ${shellWord(request.path)} --at r${summary.undoRevision} --in-place --delete${rest}`)}`);
}
