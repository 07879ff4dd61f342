/** rainbow find: names by a pattern. */
import { EXIT } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { argumentBytes, entryLine, nameForPeople } from "../format/index.ts";
import { bytesOf } from "../../core/index.ts";
import type { Invocation } from "../invocation.ts";
import { instantOption, isBelow, pathAt } from "../paths.ts";
import type { PathAt } from "../paths.ts";
import { afterAsOf } from "../streams.ts";

interface Options {
  readonly at?: string;
  readonly long?: boolean;
  readonly print0?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(...AT_OPTION)
      .option("-l, --long", "with mode, owner, size and time")
      .option("-0, --print0", "paths as they are, each ended by a NUL character")
      .addHelpText(
        "after",
        "\nPATTERN has *, ? and [a-z]; with a slash in it, it is matched with paths relative to PATH. Without PATH: all below where you stand,\nor all protected folders.",
      ),
  run: async (invocation, words, options) => {
    const pattern = bytesOf(argumentBytes(word(words, 0) ?? "")).toString();
    let count = 0;
    for (const place of await placesOf(invocation, word(words, 1), options.at)) count += await findIn(invocation, place, pattern, options);
    if (count === 0) await invocation.report.say("nothing found");
    return count === 0 ? EXIT.differs : EXIT.ok;
  },
};

async function placesOf(invocation: Invocation, argument: string | undefined, at: string | undefined): Promise<PathAt[]> {
  if (argument !== undefined) return [await pathAt(invocation, argument, at)];
  const here = await pathAt(invocation, undefined, at);
  const roots = (await (await invocation.operations()).roots()).map((root) => root.path);
  if (roots.length === 0 || roots.some((root) => isBelow(here.path, root))) return [here];
  return roots.map((path) => ({ path, at: instantOption(invocation, at), isNamed: at !== undefined }));
}

async function findIn(invocation: Invocation, { path, at }: PathAt, pattern: string, options: Options): Promise<number> {
  const { report, context } = invocation;
  let count = 0;
  for await (const entry of afterAsOf(invocation, (await invocation.operations()).find({ path, pattern, at }, context.signal))) {
    count++;
    await report.json(entry);
    if (options.print0 === true && !report.isJson) await report.bytes(Buffer.concat([bytesOf(entry.path), Buffer.alloc(1)]));
    else await report.data(options.long === true ? entryLine(entry, context.zone, nameForPeople(entry.path)) : nameForPeople(entry.path));
  }
  return count;
}
