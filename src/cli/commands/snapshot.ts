/** rainbow snapshot: gives an instant a name. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { isSnapshotName } from "../instants/index.ts";
import { instantOption } from "../paths.ts";

interface Options {
  readonly at?: string;
  readonly pin?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) => self.option(...AT_OPTION).option("--pin", "never thinned out, whatever the policy"),
  run: async (invocation, words, options) => {
    const name = word(words, 0) ?? "";
    if (!isSnapshotName(name)) {
      throw new RainbowError(
        "USAGE",
        `'${name}' cannot be a snapshot's name: it could be read as a time, a path or an option; use letters first, and neither @ nor /`,
      );
    }
    const at = instantOption(invocation, options.at);
    const snapshot = await (await invocation.operations()).snapshot({ name, at, pinned: options.pin === true });
    await invocation.report.json(snapshot);
    await invocation.report.line(`${snapshot.name} is ${invocation.report.moment(snapshot)}${snapshot.pinned ? ", pinned" : ""}`);
    return EXIT.ok;
  },
};
