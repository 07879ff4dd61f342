/** rainbow snapshots: the named instants. */
import { EXIT } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    const { report } = invocation;
    const snapshots = await (await invocation.operations()).snapshots();
    const width = Math.max(0, ...snapshots.map((snapshot) => snapshot.name.length));
    for (const snapshot of snapshots) {
      await report.json(snapshot);
      await report.data(`${snapshot.name.padEnd(width)}  ${report.moment(snapshot)}${snapshot.pinned ? "  pinned" : ""}`);
    }
    if (snapshots.length === 0) await report.say(`no snapshot yet; '${invocation.hint("snapshot NAME")}' takes one`);
    return EXIT.ok;
  },
};
