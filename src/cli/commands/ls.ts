/** rainbow ls: one folder's entries, or one file's. */
import { EXIT } from "../../core/index.ts";
import { AT_OPTION, wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { entryLine, nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { pathAt } from "../paths.ts";
import { afterAsOf } from "../streams.ts";

interface Options {
  readonly at?: string;
  readonly names?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) => self.option(...AT_OPTION).option("-1, --names", "names alone"),
  run: async (invocation, words, options) => {
    const given = wordList(words, 0);
    for (const argument of given.length === 0 ? [undefined] : given) await list(invocation, argument, options, given.length > 1);
    return EXIT.ok;
  },
};

async function list(invocation: Invocation, argument: string | undefined, options: Options, hasHeading: boolean): Promise<void> {
  const { report, context } = invocation;
  const { path, at } = await pathAt(invocation, argument, options.at);
  const operations = await invocation.operations();
  let unsettledCount = 0;
  const items = operations.list({ path, at, depthMax: 1 }, context.signal);
  for await (const entry of afterAsOf(invocation, items, hasHeading ? nameForPeople(path) : "")) {
    await report.json(entry);
    await report.data(options.names === true ? nameForPeople(entry.name) : entryLine(entry, context.zone));
    if (entry.unsettled) unsettledCount++;
  }
  if (unsettledCount > 0)
    await report.incompleteBecause(`${unsettledCount} of these could not be read at rest (unsettled): their content may be mixed of two moments`);
}
