/** rainbow remove: stops protecting a folder; everything recorded of it stays. */
import { EXIT, isRainbowError, RainbowError } from "../../core/index.ts";
import { wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import { absolutePath } from "../paths.ts";

export const command: CommandFile = {
  run: async (invocation, words) => {
    const { report, context } = invocation;
    const operations = await invocation.operations();
    const known = (await operations.roots()).map((root) => root.path);
    for (const argument of wordList(words, 0)) {
      const literal = absolutePath(argument, context.cwd);
      const path = known.includes(literal) ? literal : context.machine.realPathOf(literal, { keepLast: false });
      if (!known.includes(path))
        throw new RainbowError("NOT_PROTECTED", `${nameForPeople(path)} is no protected folder; '${invocation.hint("roots")}' lists them`, { path });
      try {
        await operations.removeRoot({ path });
      } catch (error) {
        if (!isRainbowError(error, "NOT_FOUND")) throw error; // Removed by somebody else meanwhile: as wished.
      }
      await report.json({ type: "removed", path });
      await report.line(`${nameForPeople(path)} is no longer protected; what was recorded of it stays`);
    }
    return EXIT.ok;
  },
};
