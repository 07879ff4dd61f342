/** rainbow cat: files' bytes on stdout. */
import { EXIT } from "../../core/index.ts";
import { AT_OPTION, wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { pathAt } from "../paths.ts";
import type { PathAt } from "../paths.ts";

export const command: CommandFile<{ readonly at?: string }> = {
  declare: (self) => self.option(...AT_OPTION),
  run: async (invocation, words, options) => {
    const given = wordList(words, 0);
    for (const argument of given) {
      const place = await pathAt(invocation, argument, options.at);
      await printContent(invocation, place, given.length > 1 ? nameForPeople(place.path) : "");
    }
    return EXIT.ok;
  },
};

/** Streams a file to stdout; `what` names it in the talk. The as-of goes to stderr alone: stdout is the file. */
export async function printContent(invocation: Invocation, { path, at }: Pick<PathAt, "path" | "at">, what = ""): Promise<void> {
  const { report, context } = invocation;
  for await (const item of (await invocation.operations()).read({ path, at }, context.signal)) {
    if (item.type === "bytes") await report.bytes(item.bytes);
    else {
      await report.say(`${what === "" ? "" : `${what} `}as of ${report.moment(item)}`);
      for (const warning of item.warnings) await report.incompleteBecause(warning);
    }
  }
}
