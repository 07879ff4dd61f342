/** rainbow replay: rebuilds the projections from the events, in their place or beside them. */
import type { ReplayedItem } from "../../app/index.ts";
import type { CommandFile } from "../command.ts";
import { argumentBytes, argumentOf, formatCount, formatSpan, plural, shellWord } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { absolutePath, instantOption } from "../paths.ts";
import { reportProblems } from "../streams.ts";
import { bytesOf } from "../../core/index.ts";

interface Options {
  readonly verify?: boolean;
  readonly to?: string;
  readonly into?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--verify", "rebuild beside what is there and compare; nothing is replaced")
      .option("--to <instant>", "rebuild beside it what was true at an instant, and compare")
      .option("--into <dir>", "rebuild it there, as a data directory to be read with --data-dir: events, names and attributes; content stays here"),
  run: async (invocation, _words, options) => {
    const operations = await invocation.operations();
    const isBeside = options.verify === true || options.to !== undefined || options.into !== undefined;
    const to = options.to === undefined ? {} : { to: instantOption(invocation, options.to) };
    const into = options.into === undefined ? {} : { into: argumentOf(bytesOf(absolutePath(options.into, invocation.context.cwd))) };
    const items = operations.replay({ verify: options.verify === true, ...to, ...into }, invocation.context.signal);
    return await reportProblems(invocation, withReplayed(invocation, items), { none: isBeside ? "the replay gives what is there" : "replayed" });
  },
};

/** Says what a replay came to, and passes on everything else. */
async function* withReplayed<Item extends { readonly type: string }>(invocation: Invocation, items: AsyncIterable<Item | ReplayedItem>): AsyncGenerator<Item> {
  const { report } = invocation;
  for await (const item of items) {
    if (!isReplayed(item)) {
      yield item;
      continue;
    }
    await report.json(item);
    const rate = `${plural(item.eventCount, "event")} in ${formatSpan(item.seconds * 1e6)} (${formatCount(item.eventsPerSecond)} events/s)`;
    await report.line(`up to ${report.moment(item)}: ${rate}, ${plural(item.keyCount, "key")}, digest ${item.digest}`);
    if (item.into === undefined) continue;
    const place = shellWord(argumentBytes(item.into));
    await report.say(`it can be read: ${invocation.context.program} --data-dir ${place} ls PATH, tree, log, diff, audit --verify; nothing in it is changed`);
  }
}

function isReplayed(item: { readonly type: string }): item is ReplayedItem {
  return item.type === "replayed";
}
