/** rainbow deleted: what was deleted and when, newest first. */
import { EXIT } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { argumentBytes, formatBytes, nameForPeople, shellWord } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import { placeOf } from "../paths.ts";

const COUNT_DEFAULT = 100;

export const command: CommandFile<{ readonly number?: string }> = {
  declare: (self) => self.option("-n, --number <count>", `at most so many (default: ${COUNT_DEFAULT})`),
  run: async (invocation, words, options) => {
    const { report, context } = invocation;
    const maxCount = countOption("--number", options.number, COUNT_DEFAULT);
    const argument = word(words, 0);
    const path = argument === undefined ? undefined : await placeOf(invocation, argument);
    let count = 0;
    for await (const item of (await invocation.operations()).deleted({ path, maxCount }, context.signal)) {
      count++;
      await report.json(item);
      const size = item.kind === "file" ? formatBytes(item.sizeBytes) : "-";
      const name = `${nameForPeople(item.path)}${item.kind === "directory" ? "/" : ""}`;
      await report.data(
        `${formatMoment(item.timeUs, context.zone)}  ${size.padStart(10)}  ${name}  (last in r${item.lastRevision})${item.purged === null ? "" : "  (purged)"}`,
      );
    }
    if (count === 0) await report.say(`nothing${argument === undefined ? "" : ` below ${shellWord(argumentBytes(argument))}`} was deleted in the window`);
    else await report.say(`${count === maxCount ? `the newest ${count}; --number shows more. ` : ""}'${invocation.hint("undelete PATH")}' brings one back`);
    return count === 0 ? EXIT.differs : EXIT.ok;
  },
};
