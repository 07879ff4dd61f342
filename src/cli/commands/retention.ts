/** rainbow retention: what the policy lets go, shown before it does. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { MIRROR_OPTION } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { formatBytes, formatCount, plural } from "../format/index.ts";

interface Options {
  readonly simulate?: boolean;
  readonly days?: string;
  readonly mirror?: string;
}

const DAYS_MAX = 36_500;

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--simulate", "nothing goes by asking (the default; 'rebase' carries it out)")
      .option("--days <count>", "as if so many days had passed")
      .option(...MIRROR_OPTION),
  run: async (invocation, _words, options) => {
    const days = options.days === undefined ? 0 : countOption("--days", options.days, DAYS_MAX);
    if (days > DAYS_MAX) throw new RainbowError("USAGE", `--days goes up to ${DAYS_MAX}`);
    const { report } = invocation;
    const answer = await (await invocation.operations()).retention({ days, mirror: options.mirror });
    await report.json({ type: "retention", ...answer, mirror: options.mirror });
    const from = report.moment({ revision: answer.windowRevision, timeUs: answer.windowTimeUs });
    const to = report.moment({ revision: answer.nextWindowRevision, timeUs: answer.nextWindowTimeUs });
    if (answer.lostRevisions === 0) await report.data(`the window stays: every instant since ${from}`);
    else await report.data(`the window would begin at ${to} instead of ${from}: ${formatCount(answer.lostRevisions)} revisions could not be named any more`);
    await report.data(`snapshots that would go: ${answer.dropped.join(", ") || "none"}`);
    await report.data(`snapshots that stay: ${answer.kept.join(", ") || "none"}`);
    await report.data(`about ${formatBytes(answer.lostBytes)} of content would go; ${plural(answer.kept.length, "snapshot")} kept`);
    return EXIT.ok;
  },
};
