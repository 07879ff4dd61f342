/** rainbow events: the event stream, readably. */
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { formatMoment } from "../instants/index.ts";

interface Options {
  readonly from?: string;
  readonly number?: string;
  readonly follow?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--from <revision>", "from this one on, as r4821 (default: the first that is kept)")
      .option("-n, --number <count>", "at most so many")
      .option("-f, --follow", "go on with new ones"),
  run: async (invocation, _words, options) => {
    const { report, context } = invocation;
    const [, from] = /^r?(\d{1,15})$/.exec(options.from ?? "r0") ?? [];
    if (from === undefined) throw new RainbowError("USAGE", `--from takes a revision such as r4821, not '${options.from ?? ""}'`);
    const maxCount = countOption("--number", options.number, Number.MAX_SAFE_INTEGER);
    const operations = await (options.follow === true ? invocation.needRunning() : invocation.operations());
    for await (const item of operations.events({ from: Number(from), maxCount, follow: options.follow === true }, context.signal)) {
      await report.json(item);
      await report.data(`r${item.revision}`.padEnd(10) + `${formatMoment(item.timeUs, context.zone)}  ${item.event.padEnd(17)} ${JSON.stringify(item.data)}`);
      if (options.follow === true) await report.flush();
    }
    return EXIT.ok;
  },
};
