/** rainbow add: protects one more folder, at once where an instance runs. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople, shellWord } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { declareRootOptions, protectedFolders, rootOptionsFor } from "../root-options.ts";
import type { RootWords } from "../root-options.ts";

interface Options extends RootWords {
  readonly create?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) => {
    declareRootOptions(self);
    self.option("--create", "make the data directory that --data-dir or RAINBOW_DATA_DIR names, where there is none yet");
  },
  run: async (invocation, words, options) => {
    const { report } = invocation;
    const folders = protectedFolders(invocation, wordList(words, 0));
    refuseMistyped(invocation, options.create === true);
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

/** A name that was mistyped must not become a second, empty store, in which everything seems to be well. */
function refuseMistyped({ context, dataDirectory }: Invocation, isWanted: boolean): void {
  const { machine } = context;
  if (isWanted || machine.isDataDirectory(dataDirectory) || machine.isDefaultDataDirectory(dataDirectory)) return;
  throw new RainbowError("NO_STORE", `${dataDirectory}: there is no Rainbow data directory there; --create makes one, or name another with --data-dir`, {
    path: dataDirectory,
  });
}
