/** rainbow replay: rebuilds the projections from the events. */
import type { CommandFile } from "../command.ts";
import { reportProblems } from "../streams.ts";

export const command: CommandFile<{ readonly verify?: boolean }> = {
  declare: (self) => self.option("--verify", "rebuild beside what is there and compare; nothing is replaced"),
  run: async (invocation, _words, options) => {
    const operations = await invocation.operations();
    const none = options.verify === true ? "the replay gives what is there" : "replayed";
    return reportProblems(invocation, operations.replay({ verify: options.verify === true }, invocation.context.signal), { none });
  },
};
