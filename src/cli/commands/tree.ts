/** rainbow tree: a folder with all below it. */
import { EXIT } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { markOf, nameForPeople, plural } from "../format/index.ts";
import { pathAt } from "../paths.ts";
import { afterAsOf } from "../streams.ts";
import { countOption } from "../counts.ts";

interface Options {
  readonly at?: string;
  readonly depth?: string;
}

const DEPTH_MAX = 4096; // Deeper than any path that a system call takes.

export const command: CommandFile<Options> = {
  declare: (self) => self.option(...AT_OPTION).option("--depth <count>", "how many levels at most"),
  run: async (invocation, words, options) => {
    const { report, context } = invocation;
    const depthMax = countOption("--depth", options.depth, DEPTH_MAX);
    const { path, at } = await pathAt(invocation, word(words, 0), options.at);
    const counts = { folders: 0, others: 0 };
    const items = (await invocation.operations()).list({ path, at, depthMax }, context.signal);
    let isFirst = true;
    for await (const entry of afterAsOf(invocation, items)) {
      if (isFirst) await report.data(nameForPeople(path));
      isFirst = false;
      await report.json(entry);
      const target = entry.kind === "symlink" ? ` -> ${nameForPeople(entry.linkTarget)}` : "";
      await report.data(`${"  ".repeat(entry.depth)}${nameForPeople(entry.name)}${entry.kind === "directory" ? "/" : ""}${target}${markOf(entry)}`);
      counts[entry.kind === "directory" ? "folders" : "others"]++;
      if (entry.unsettled) await report.incompleteBecause(`${nameForPeople(entry.path)} could not be read at rest (unsettled)`);
    }
    await report.say(`${plural(counts.folders, "folder")}, ${plural(counts.others, "file")}`);
    return EXIT.ok;
  },
};
