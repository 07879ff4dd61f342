/** rainbow resume: goes on capturing. */
import { EXIT } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    await (await invocation.needRunning()).resume();
    await invocation.report.json({ type: "resumed" });
    await invocation.report.line("capturing again; what changed meanwhile is being looked for");
    return EXIT.ok;
  },
};
