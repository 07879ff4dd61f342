/** rainbow check: verifies the store. */
import type { CommandFile } from "../command.ts";
import { reportProblems } from "../streams.ts";

export const command: CommandFile<{ readonly readData?: boolean }> = {
  declare: (self) => self.option("--read-data", "also read every stored byte again and compare its hash"),
  run: async (invocation, _words, options) => {
    const operations = await invocation.operations();
    await invocation.report.say(`checking ${invocation.dataDirectory}`);
    const items = operations.check({ readData: options.readData === true }, invocation.context.signal);
    return reportProblems(invocation, items, {
      none:
        options.readData === true ? "no problem: structure and every stored byte are whole" : "no problem in the structure; --read-data reads every byte too",
    });
  },
};
