/** rainbow snapshot: gives an instant a name. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { AT_OPTION, MIRROR_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { isSnapshotName } from "../instants/index.ts";
import { instantOption } from "../paths.ts";

interface Options {
  readonly at?: string;
  readonly pin?: boolean;
  readonly exec?: string;
  readonly mirror?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(...AT_OPTION)
      .option(...MIRROR_OPTION)
      .option("--pin", "never thinned out, whatever the policy")
      .option("--exec <command>", "run it first, and name what is there when it succeeds"),
  run: async (invocation, words, options) => {
    const name = word(words, 0) ?? "";
    if (!isSnapshotName(name)) {
      throw new RainbowError(
        "USAGE",
        `'${name}' cannot be a snapshot's name: it could be read as a time, a path or an option; use letters first, and neither @ nor /`,
      );
    }
    if (options.exec !== undefined) await runFirst(invocation, options.exec, options.at);
    const at = instantOption(invocation, options.at);
    const operations = await invocation.operations();
    const { mirror } = options;
    const isHalf = mirror !== undefined && at.kind === "now" && (await operations.mirrorStatus({ names: [mirror] }))[0]?.state === "syncing";
    const snapshot = await operations.snapshot({ name, at, pinned: options.pin === true, mirror });
    await invocation.report.json({ ...snapshot, mirror });
    await invocation.report.line(`${snapshotName(snapshot, mirror)} is ${invocation.report.moment(snapshot)}${snapshot.pinned ? ", pinned" : ""}`);
    if (isHalf)
      await invocation.report.warn(`${mirror} syncs just now: the snapshot has what had come until then; --at takes an instant of 'mirror log ${mirror}'`);
    return EXIT.ok;
  },
};

/** As it is named in a path, where it is a mirror's. */
export function snapshotName({ name }: { readonly name: string }, mirror: string | undefined): string {
  return mirror === undefined ? name : `mirror:${mirror}@${name}`;
}

/** Its output goes to stderr: stdout is ours. */
async function runFirst({ context }: Invocation, line: string, at: string | undefined): Promise<void> {
  if (at !== undefined) throw new RainbowError("USAGE", "--exec names what is there when the command has ended; --at cannot go with it");
  const exitCode = await context.machine.runCommand(line);
  if (exitCode !== 0) throw new RainbowError("IO", `the command ended with exit code ${exitCode}: no snapshot was taken`, { exitCode });
}
