/** rainbow rebase: moves the start of the window, and gives the space back that only older instants needed. */
import { EXIT } from "../../core/index.ts";
import { MIRROR_OPTION } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes } from "../format/index.ts";
import { instantOption } from "../paths.ts";

interface Options {
  readonly to?: string;
  readonly mirror?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(
        "--to <instant>",
        "the first instant that is still wanted: 30d, 2026-05-01, r4821; older ones go, but for snapshots (default: what the policy lets go)",
      )
      .option(...MIRROR_OPTION),
  run: async (invocation, _words, options) => {
    const { report, context } = invocation;
    const to = options.to === undefined ? undefined : instantOption(invocation, options.to);
    const operations = await invocation.operations();
    for await (const item of operations.rebase({ to, mirror: options.mirror }, context.signal)) {
      if (item.type === "progress") await report.progress.show(item);
      else {
        await report.json({ ...item, mirror: options.mirror });
        const since = report.moment({ revision: item.windowRevision, timeUs: item.windowTimeUs });
        await report.line(`every instant since ${since} is kept; ${formatBytes(item.freedBytes)} were freed`);
      }
    }
    return context.signal.aborted ? context.interruptedExitCode() : EXIT.ok;
  },
};
