/** rainbow log: each version of a file or folder. */
import { EXIT } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { formatBytes, markOf, nameForPeople, originsText } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import { pathAt } from "../paths.ts";

interface Options {
  readonly at?: string;
  readonly number?: string;
}

const COUNT_DEFAULT = 1000;

export const command: CommandFile<Options> = {
  declare: (self) => self.option(...AT_OPTION).option("-n, --number <count>", `at most so many versions (default: ${COUNT_DEFAULT})`),
  run: async (invocation, words, options) => {
    const { report, context } = invocation;
    const maxCount = countOption("--number", options.number, COUNT_DEFAULT);
    const { path, at } = await pathAt(invocation, word(words, 0), options.at);
    let count = 0;
    let lastPath = path;
    for await (const version of (await invocation.operations()).log({ path, at, maxCount }, context.signal)) {
      count++;
      await report.json(version);
      const name = version.path === lastPath ? "" : `  [${nameForPeople(version.path)}]`;
      lastPath = version.path;
      const mark = markOf(version);
      await report.data(
        `r${version.revision}`.padEnd(10) +
          `${formatMoment(version.timeUs, context.zone)}  ${formatBytes(version.sizeBytes).padStart(10)}  ${version.changes.join(", ")}${originsText(version.origins)}${mark}${name}`,
      );
    }
    if (count === 0) await report.say(`${nameForPeople(path)}: no version is known`);
    else if (count === maxCount) await report.say(`the first ${count}; --number shows more`);
    return count === 0 ? EXIT.differs : EXIT.ok;
  },
};
