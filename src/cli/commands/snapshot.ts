/** rainbow snapshot: gives an instant a name. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { isSnapshotName } from "../instants/index.ts";
import { instantOption } from "../paths.ts";

interface Options {
  readonly at?: string;
  readonly pin?: boolean;
  readonly exec?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(...AT_OPTION)
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
    const snapshot = await (await invocation.operations()).snapshot({ name, at, pinned: options.pin === true });
    await invocation.report.json(snapshot);
    await invocation.report.line(`${snapshot.name} is ${invocation.report.moment(snapshot)}${snapshot.pinned ? ", pinned" : ""}`);
    return EXIT.ok;
  },
};

/** Its output goes to stderr: stdout is ours. */
async function runFirst({ context }: Invocation, line: string, at: string | undefined): Promise<void> {
  if (at !== undefined) throw new RainbowError("USAGE", "--exec names what is there when the command has ended; --at cannot go with it");
  const exitCode = await context.machine.runCommand(line);
  if (exitCode !== 0) throw new RainbowError("IO", `the command ended with exit code ${exitCode}: no snapshot was taken`, { exitCode });
}
