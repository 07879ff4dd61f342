/** rainbow events: the event stream, readably. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { originsText } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";

interface Options {
  readonly from?: string;
  readonly to?: string;
  readonly number?: string;
  readonly follow?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--from <revision>", "from this one on, as r4821 (default: the first that is kept); for copy: the store, 'embedded' or esdb://…")
      .option("--to <store>", "for copy: where to, 'embedded' or esdb://…; 'up --events' then goes on there")
      .option("-n, --number <count>", "at most so many")
      .option("-f, --follow", "go on with new ones"),
  run: async (invocation, words, options) => {
    const { report, context } = invocation;
    const action = word(words, 0);
    if (action === "copy") return copy(invocation, options);
    if (action !== undefined) throw new RainbowError("USAGE", `events: there is 'events copy', not 'events ${action}'`);
    if (options.to !== undefined) throw new RainbowError("USAGE", "--to belongs to 'events copy'");
    const [, from] = /^r?(\d{1,15})$/.exec(options.from ?? "r0") ?? [];
    if (from === undefined) throw new RainbowError("USAGE", `--from takes a revision such as r4821, not '${options.from ?? ""}'`);
    const maxCount = countOption("--number", options.number, Number.MAX_SAFE_INTEGER);
    const operations = await (options.follow === true ? invocation.needRunning() : invocation.operations());
    for await (const item of operations.events({ from: Number(from), maxCount, follow: options.follow === true }, context.signal)) {
      await report.json(item);
      await report.data(
        `r${item.revision}`.padEnd(10) +
          `${formatMoment(item.timeUs, context.zone)}  ${item.event.padEnd(17)} ${JSON.stringify(item.data)}${originsText(item.origin === undefined ? [] : [item.origin])}`,
      );
      if (options.follow === true) await report.flush();
    }
    return EXIT.ok;
  },
};

/** Every stream with its ids and revisions, resumable, and verified in the end. */
async function copy(invocation: Invocation, { from, to }: Options): Promise<number> {
  const { report, context, dataDirectory } = invocation;
  if (from === undefined || to === undefined)
    throw new RainbowError("USAGE", "events copy takes --from and --to, each 'embedded' or an address such as esdb://host:2113");
  for await (const item of context.machine.copyEvents({ dataDirectory, from, to, signal: context.signal })) {
    await report.json(item);
    await report.line(`${item.type.padEnd(8)}  ${item.stream}  ${item.eventCount} events, up to r${item.headRevision}`);
  }
  await report.say(`the copy is whole; nothing was switched: '${invocation.hint("up --events …")}' goes on there`);
  return EXIT.ok;
}
