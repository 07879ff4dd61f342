/** rainbow excludes: what is left out, and which rule leaves a path out. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { collect, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { leftOutText } from "../left-out-words.ts";
import { placeOf } from "../paths.ts";

interface Options {
  readonly why?: string;
  readonly drop?: readonly string[];
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--why <path>", "which rule leaves this path out; ends with 1 where none does")
      .option("--drop <rule>", "the protected folder PATH has this rule no more; may be given again ('add DIR --exclude RULE' adds one)", collect),
  run: async (invocation, words, options) => {
    if (options.why !== undefined) return explain(invocation, options.why);
    if (options.drop !== undefined) return drop(invocation, word(words, 0), options.drop);
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

async function drop(invocation: Invocation, argument: string | undefined, rules: readonly string[]): Promise<number> {
  const operations = await invocation.operations();
  const roots = await operations.roots();
  const path = argument === undefined ? undefined : await placeOf(invocation, argument);
  const [root, ...others] = roots.filter((each) => path === undefined || each.path === path);
  if (root === undefined || others.length > 0) throw new RainbowError("USAGE", "excludes --drop: of which protected folder? 'roots' lists them");
  const unknown = rules.find((rule) => !root.options.rules.includes(rule));
  if (unknown !== undefined)
    throw new RainbowError("NOT_FOUND", `${nameForPeople(root.path)} has no rule '${unknown}': 'excludes' lists them`, { rule: unknown });
  const rest = root.options.rules.filter((rule) => !rules.includes(rule));
  await operations.addRoot({ path: root.path, options: { ...root.options, rules: rest } });
  await invocation.report.json({ type: "rules", rules: rest });
  await invocation.report.line(`${nameForPeople(root.path)}: ${rest.length === 0 ? "no rule is left" : `what is left: ${rest.join(", ")}`}`);
  return EXIT.ok;
}

async function explain(invocation: Invocation, argument: string): Promise<number> {
  const { report } = invocation;
  const path = await placeOf(invocation, argument);
  const item = await (await invocation.operations()).why({ path });
  await report.json({ type: "why", path, ...(item === undefined ? { isLeftOut: false } : { isLeftOut: true, ...item }) });
  await report.data(item === undefined ? `${nameForPeople(path)} is not left out` : `${nameForPeople(path)} is left out: ${leftOutText(item)}`);
  return item === undefined ? EXIT.differs : EXIT.ok;
}
