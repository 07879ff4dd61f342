/** rainbow excludes: what is left out, and which rule leaves a path out. */
import { EXIT } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { leftOutText } from "../left-out-words.ts";
import { placeOf } from "../paths.ts";

export const command: CommandFile<{ readonly why?: string }> = {
  declare: (self) => self.option("--why <path>", "which rule leaves this path out; ends with 1 where none does"),
  run: async (invocation, words, options) => {
    if (options.why !== undefined) return explain(invocation, options.why);
    const { report } = invocation;
    const argument = word(words, 0);
    const path = argument === undefined ? undefined : await placeOf(invocation, argument);
    const answer = await (await invocation.operations()).leftOut({ path });
    await report.json({ type: "rules", rules: answer.rules, total: answer.total });
    for (const rule of answer.rules) await report.data(`rule: ${rule}`);
    for (const item of answer.items) {
      await report.json({ type: "left-out", ...item });
      await report.data(`${nameForPeople(item.path)}  ${leftOutText(item)}`);
    }
    if (answer.total > answer.items.length) await report.say(`… and ${answer.total - answer.items.length} more`);
    if (answer.total === 0) await report.say("nothing was left out");
    return EXIT.ok;
  },
};

async function explain(invocation: Invocation, argument: string): Promise<number> {
  const { report } = invocation;
  const path = await placeOf(invocation, argument);
  const item = await (await invocation.operations()).why({ path });
  await report.json({ type: "why", path, ...(item === undefined ? { isLeftOut: false } : { isLeftOut: true, ...item }) });
  await report.data(item === undefined ? `${nameForPeople(path)} is not left out` : `${nameForPeople(path)} is left out: ${leftOutText(item)}`);
  return item === undefined ? EXIT.differs : EXIT.ok;
}
