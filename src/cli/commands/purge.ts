/** rainbow purge: removes the content of files from all of history. */
import type { PurgedItem, PurgePlanItem } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, formatCount, nameForPeople, plural } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { placeOf } from "../paths.ts";

interface Options {
  readonly keepCurrent?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const HELP = `
Every file that ever lay at PATH, or below it, loses its content in every instant and snapshot before now, under all names that it had. This
cannot be undone. Names, sizes and times stay listed until those instants and snapshots go. Copies under other paths are files of their own
and stay. Files that exist now are refused: they would be stored again.`;

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--keep-current", "purge the past of files that exist now, and keep their present content")
      .option("-n, --dry-run", "only say which files it concerns")
      .option("-y, --yes", "do not ask")
      .addHelpText("after", HELP),
  run: async (invocation, words, options) => {
    const paths: ByteString[] = [];
    for (const argument of wordList(words, 0)) paths.push(await placeOf(invocation, argument));
    const request = { paths, keepPresent: options.keepCurrent === true, dryRun: options.dryRun === true };
    if (!request.dryRun && !(await agrees(invocation, request, options.yes === true))) return EXIT.ok;
    return await purge(invocation, request);
  },
};

type Request = { readonly paths: readonly ByteString[]; readonly keepPresent: boolean; readonly dryRun: boolean };

async function purge(invocation: Invocation, request: Request): Promise<number> {
  const { report, context } = invocation;
  let exitCode: number = EXIT.ok;
  for await (const item of (await invocation.operations()).purge(request, context.signal)) {
    if (item.type === "progress") await report.progress.show(item);
    else if (item.type === "purged") exitCode = await conclude(invocation, item);
    else if (request.dryRun) await showPlan(invocation, item, request.keepPresent);
  }
  return context.signal.aborted ? context.interruptedExitCode() : exitCode;
}

async function conclude({ report }: Invocation, item: PurgedItem): Promise<number> {
  await report.json(item);
  await report.line(`${plural(item.fileCount, "file")} purged from every instant before r${item.revision}; ${formatBytes(item.freedBytes)} were freed`);
  await report.say("names, sizes and times stay listed until the instants and snapshots that have them go");
  if (item.unmovedRuns > 0)
    await report.incompleteBecause("some purged bytes share blocks with what stays, and there is no room to move that: they go when it is moved");
  if (!item.isFinished) await report.incompleteBecause("not all of it is given back yet: a running Rainbow goes on by itself, or run the command again");
  return EXIT.ok;
}

async function showPlan({ report }: Invocation, plan: PurgePlanItem, keepsPresent: boolean): Promise<void> {
  await report.json(plan);
  for (const { path, fileCount } of plan.paths) await report.line(`${nameForPeople(path)}: ${plural(fileCount, "file")} ever lay there`);
  if (plan.presentCount === 0) return;
  const fate = keepsPresent ? "their present content stays" : "a purge without --keep-current is refused";
  const more = plan.presentCount > plan.presentPaths.length ? ", …" : "";
  await report.line(`${formatCount(plan.presentCount)} exist now (${plan.presentPaths.map(nameForPeople).join(", ")}${more}): ${fate}`);
}

async function agrees(invocation: Invocation, request: Request, isAgreed: boolean): Promise<boolean> {
  if (isAgreed) return true;
  const { report, context } = invocation;
  let plan: PurgePlanItem | undefined;
  for await (const item of (await invocation.operations()).purge({ ...request, dryRun: true }, context.signal)) {
    if (item.type === "progress") await report.progress.show(item);
    else if (item.type === "purge-plan") plan = item;
  }
  await report.progress.clear();
  if (plan === undefined || context.signal.aborted) return false;
  await showPlan(invocation, plan, request.keepPresent);
  if (plan.presentCount > 0 && !request.keepPresent) return true; // It is refused, with the reason.
  const answer = await context.ask(`Purge ${plural(plan.fileCount, "file")} from all of history? This cannot be undone. [y/N] `);
  if (answer === undefined) throw new RainbowError("USAGE", "purge: nobody to ask here; --yes agrees beforehand, --dry-run shows what it concerns", {});
  if (/^y(es)?$/i.test(answer.trim())) return true;
  await report.say("nothing was done");
  return false;
}
