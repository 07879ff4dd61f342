/** rainbow undelete: brings back the newest deleted version, never over an existing file. */
import { EXIT } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import { absolutePath, placeOf } from "../paths.ts";
import { reportRestore, summaryText } from "../streams.ts";

export const command: CommandFile<{ readonly to?: string; readonly verbose?: boolean }> = {
  declare: (self) => self.option("--to <target>", "to another place than where it was").option("-v, --verbose", "name each path"),
  run: async (invocation, words, options) => {
    const { report, context } = invocation;
    const path = await placeOf(invocation, word(words, 0) ?? "");
    const target = options.to === undefined ? undefined : absolutePath(options.to, context.cwd);
    const items = (await invocation.operations()).undelete({ path, target }, context.signal);
    const summary = await reportRestore(invocation, items, { showsEach: options.verbose === true });
    if (context.signal.aborted) return EXIT.interrupted;
    if (summary !== undefined) await report.line(`brought back ${nameForPeople(target ?? path)}: ${summaryText(summary)}`);
    return summary === undefined || summary.failedCount + summary.doubtfulCount + summary.purgedCount > 0 ? EXIT.incomplete : EXIT.ok;
  },
};
