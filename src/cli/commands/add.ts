/** rainbow add: protects one more folder, at once where an instance runs. */
import { EXIT } from "../../core/index.ts";
import { wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople, shellWord } from "../format/index.ts";
import { declareRootOptions, protectedFolders, rootOptionsFor } from "../root-options.ts";
import type { RootWords } from "../root-options.ts";

export const command: CommandFile<RootWords> = {
  declare: declareRootOptions,
  run: async (invocation, words, options) => {
    const { report } = invocation;
    const folders = protectedFolders(invocation, wordList(words, 0));
    const operations = await invocation.operations({ create: true });
    await report.say(`data directory: ${invocation.dataDirectory}`);
    for (const path of folders) {
      const root = await operations.addRoot({ path, options: await rootOptionsFor(invocation, operations, path, options) });
      await report.json({ type: "root", ...root });
      await report.line(`${nameForPeople(path)} ${invocation.isAnsweredByRunning ? "is protected from now on" : "is noted"}`);
    }
    if (!invocation.isAnsweredByRunning) await report.say(`nothing runs now: '${invocation.hint("up")}' starts protecting`);
    const [first] = folders;
    if (invocation.isAnsweredByRunning && first !== undefined)
      await report.say(`'${invocation.hint("status")}' shows the initial backup, '${invocation.hint(`ls ${shellWord(first)}`)}' what is there`);
    return EXIT.ok;
  },
};
