/** rainbow repair: rebuilds what can be rebuilt. */
import type { CommandFile } from "../command.ts";
import { reportProblems } from "../streams.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    const operations = await invocation.operations({ mode: "repair", create: false });
    await invocation.report.say(`repairing ${invocation.dataDirectory}`);
    return reportProblems(invocation, operations.repair({}, invocation.context.signal), { none: "repaired: no problem is left" });
  },
};
