/** rainbow pause: stops capturing; what happens meanwhile is a gap until the next comparison. */
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import { formatMoment, parseDurationUs } from "../instants/index.ts";

export const command: CommandFile<{ readonly for?: string }> = {
  declare: (self) => self.option("--for <span>", "go on by itself after 30m, 2h, 1d"),
  run: async (invocation, _words, options) => {
    const { report, context } = invocation;
    const forUs = options.for === undefined ? undefined : parseDurationUs(options.for);
    if (options.for !== undefined && (forUs === undefined || forUs <= 0))
      throw new RainbowError("USAGE", `'${options.for}' is no span of time: write 30m, 2h or 1d`);
    await (await invocation.needRunning()).pause({ forMs: forUs === undefined ? undefined : Math.round(forUs / 1000) });
    const untilUs = forUs === undefined ? undefined : context.clock.now() + forUs;
    await report.json({ type: "paused", ...(untilUs === undefined ? {} : { untilUs }) });
    const until = untilUs === undefined ? `until '${invocation.hint("resume")}'` : `until ${formatMoment(untilUs, context.zone)}`;
    await report.line(`paused ${until}; what changes meanwhile is found by comparing then, and the span is recorded as a gap`);
    return EXIT.ok;
  },
};
