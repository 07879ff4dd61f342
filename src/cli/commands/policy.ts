/** rainbow policy: what is kept and for how long. */
import type { PolicyAnswer } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, formatSpan } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";

const HELP = `
  every=1h      take a snapshot so often (0: none)
  keep=30d      no snapshot is kept longer, unless it is pinned
  window=30d    every instant is kept so long (at most keep)
  guard=7d      want of space never makes the window shorter than this
  hourly=24 daily=7 weekly=4 monthly=12 yearly=3
                of snapshots before the window keep the newest of so many hours, days ...; all 0: every one
  quota=200G    how large the data file may grow (0: a fifth of what was free at first)
  free=5G       below so much free disk old snapshots go early, then the window shrinks; below half of it new data is refused
'policy accept-time' says that the clock of this machine is right after a jump of more than a day.`;
const SIZES: ReadonlySet<string> = new Set(["quota", "free"]);
const TIMES: ReadonlySet<string> = new Set(["every", "keep", "window", "guard"]);

export const command: CommandFile = {
  declare: (self) => self.addHelpText("after", HELP),
  run: async (invocation, [action, words]) => {
    const wanted = Array.isArray(words) ? words : [];
    if (action === undefined || action === "show") return await show(invocation, await (await invocation.operations()).policy());
    if (action === "set" && wanted.length > 0)
      return await show(invocation, await (await invocation.operations()).setPolicy({ words: wanted, acceptTime: false }));
    if (action === "accept-time") return await show(invocation, await (await invocation.operations()).setPolicy({ words: [], acceptTime: true }));
    throw new RainbowError("USAGE", "'policy' shows it, 'policy set keep=90d daily=7' changes it, 'policy accept-time' accepts a jump of the clock");
  },
};

async function show({ report, context }: Invocation, answer: PolicyAnswer): Promise<number> {
  await report.json({ type: "policy", ...answer });
  for (const [word, value] of Object.entries(answer.values)) await report.data(`${word.padEnd(8)} ${valueText(word, value)}`);
  for (const { fromUs, toUs } of answer.jumps)
    await report.warn(
      `the clock went from ${formatMoment(fromUs, context.zone)} to ${formatMoment(toUs, context.zone)} at once: that counts for nothing until 'policy accept-time'`,
    );
  return EXIT.ok;
}

function valueText(word: string, value: number): string {
  if (TIMES.has(word)) return value === 0 ? "never" : formatSpan(value);
  if (SIZES.has(word)) return value === 0 ? "as made" : formatBytes(value);
  return `${value}`;
}
