/** rainbow policy: what is kept and for how long. */
import type { PolicyAnswer } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import { MIRROR_OPTION } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, formatSpan, shellWord } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";
import { absolutePath } from "../paths.ts";

const HELP = `
  every=1h      take a snapshot so often (0: none)
  keep=30d      no snapshot is kept longer, unless it is pinned
  window=30d    every instant is kept so long (at most keep)
  guard=7d      want of space never makes the window shorter than this
  hourly=24 daily=7 weekly=4 monthly=12 yearly=3
                of snapshots before the window keep the newest of so many hours, days ...; all 0: every one
  quota=200G    how large the data file may grow (0: a fifth of what was free at first)
  free=5G       below so much free disk old snapshots go early, then the window shrinks; below half of it new data is refused
'policy accept-time' says that the clock of this machine is right after a jump of more than a day.
With --mirror NAME all of it is that mirror's own: of its file list. What a bucket keeps of old versions is the bucket's life cycle.`;
const KNOWN = ["every", "keep", "window", "guard", "hourly", "daily", "weekly", "monthly", "yearly", "quota", "free"];
const SIZES: ReadonlySet<string> = new Set(["quota", "free"]);
const TIMES: ReadonlySet<string> = new Set(["every", "keep", "window", "guard"]);

/** Why a word cannot hold for one root: all roots of a machine are one stream, and an instant is one of all of them. */
const WHY_NOT: Readonly<Record<string, string>> = {
  every: "a snapshot is an instant of all folders: set it for all, it costs a line",
  keep: "snapshots and instants are those of all folders; 'rainbow purge PATH' takes the past of one away",
  window: "the window is the part of the machine's one history that is still there",
  guard: "the guard bounds the window, which is one for all folders",
  quota: "what one folder may not store any more would hold up the changes of all others behind it, as they are stored in order",
  free: "the disk is one for all folders",
};
const THINNING = "thinning chooses among snapshots, and each is one of all folders";

interface Options {
  readonly root?: string;
  readonly mirror?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--root <dir>", "one protected folder's policy: refused, with the reason; a folder with a data directory of its own has one")
      .option(...MIRROR_OPTION)
      .addHelpText("after", HELP),
  run: async (invocation, [action, words], { root, mirror }) => {
    if (root !== undefined) throw noPolicyOf(invocation, root, Array.isArray(words) ? words : []);
    const wanted = Array.isArray(words) ? words : [];
    if (action === undefined || action === "show") return await show(invocation, await (await invocation.operations()).policy({ mirror }), mirror);
    if (action === "set" && wanted.length > 0)
      return await show(invocation, await (await invocation.operations()).setPolicy({ words: wanted, acceptTime: false, mirror }), mirror);
    if (action === "accept-time")
      return await show(invocation, await (await invocation.operations()).setPolicy({ words: [], acceptTime: true, mirror }), mirror);
    throw new RainbowError("USAGE", "'policy' shows it, 'policy set keep=90d daily=7' changes it, 'policy accept-time' accepts a jump of the clock");
  },
};

/** Better than a promise that would be half kept: which words cannot hold for a folder, why, and what does. */
function noPolicyOf(invocation: Invocation, root: string, words: readonly string[]): RainbowError {
  const names = words.map((each) => each.split("=")[0] ?? "");
  const unknown = names.find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) return new RainbowError("USAGE", `'${unknown}' is no word of a policy: known are ${KNOWN.join(", ")}`);
  const reasons = [...new Set(names)].map((name) => `${name}: ${WHY_NOT[name] ?? THINNING}`);
  const folder = shellWord(absolutePath(root, invocation.context.cwd));
  const own = `${invocation.context.program} --data-dir ANOTHER up ${folder}`;
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  return new RainbowError(
    "UNSUPPORTED",
    `a policy holds for all folders of a data directory${why}. A folder that needs another one gets a data directory of its own: ${own}`,
    { words: names },
  );
}

async function show({ report, context }: Invocation, answer: PolicyAnswer, mirror: string | undefined): Promise<number> {
  const of = mirror === undefined ? "" : ` --mirror ${mirror}`;
  await report.json({ type: "policy", ...answer, mirror });
  for (const [word, value] of Object.entries(answer.values)) await report.data(`${word.padEnd(8)} ${valueText(word, value)}`);
  for (const { fromUs, toUs } of answer.jumps)
    await report.warn(
      `the clock went from ${formatMoment(fromUs, context.zone)} to ${formatMoment(toUs, context.zone)} at once: that counts for nothing until 'policy accept-time${of}'`,
    );
  const { window, guard } = answer.values;
  if (window !== undefined && guard !== undefined && window < guard)
    await report.say(
      `the guard of ${formatSpan(guard)} is longer than the window: the window moves by age all the same, and want of space does not shorten it; 'policy set guard=…${of}' lets it`,
    );
  return EXIT.ok;
}

function valueText(word: string, value: number): string {
  if (TIMES.has(word)) return value === 0 ? "never" : formatSpan(value);
  if (SIZES.has(word)) return value === 0 ? "as made" : formatBytes(value);
  return `${value}`;
}
