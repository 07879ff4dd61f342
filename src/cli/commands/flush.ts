/** rainbow flush: everything that happened before the call is durable when it returns. */
import { EXIT } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";

export const command: CommandFile<{ readonly full?: boolean }> = {
  declare: (self) => self.option("--full", "compare every protected folder with what is stored first (finds stores through mmap too)"),
  run: async (invocation, _words, options) => {
    const { report } = invocation;
    const answer = await (await invocation.needRunning()).flush({ full: options.full === true });
    await report.json({ type: "flushed", ...answer });
    await report.line(`durable as of ${report.moment(answer)}`);
    for (const notice of answer.notices) await report.say(`rainbow: ${notice}`);
    for (const text of answer.incomplete) await report.incompleteBecause(text);
    return EXIT.ok;
  },
};
