/** rainbow roots: the protected folders. */
import type { RootStatus } from "../../app/index.ts";
import { EXIT } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, nameForPeople, plural } from "../format/index.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    const { report } = invocation;
    const roots = await (await invocation.operations()).roots();
    for (const root of roots) {
      await report.json({ type: "root", ...root });
      await report.data(rootLine(root, invocation.isAnsweredByRunning));
    }
    if (roots.length === 0) await report.say(`nothing is protected; '${invocation.hint("add DIR")}' protects a folder`);
    return EXIT.ok;
  },
};

/** `/home/me/Documents  watching, 1,234 entries, 3.2 GiB`. */
export function rootLine(root: RootStatus, isRunning: boolean): string {
  const parts = [isRunning ? root.state : "not running"];
  if (!root.firstScanDone) parts.push("initial backup not done");
  if (root.nodeCount > 0) parts.push(`${plural(root.nodeCount, "entry", "entries")}, ${formatBytes(root.bytes)}`);
  if (root.unwatchedDirectoryCount > 0) parts.push(`${plural(root.unwatchedDirectoryCount, "folder")} covered by comparing alone`);
  if (root.options.rules.length > 0) parts.push(plural(root.options.rules.length, "own rule"));
  return `${nameForPeople(root.path)}  ${parts.join(", ")}`;
}
