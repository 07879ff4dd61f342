/** rainbow service install: a systemd unit that keeps it running after the terminal is closed and after a restart. */
import { EXIT, RainbowError } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";

interface Options {
  readonly user?: boolean;
  readonly system?: boolean;
}

export const command: CommandFile<Options> = {
  declare: (self) =>
    self.option("--user", "for you alone (default for others than root)").option("--system", "for the machine (default for root)").usage("install [options]"),
  run: async (invocation, words, options) => {
    const { report, context, dataDirectory } = invocation;
    if (word(words, 0) !== "install") throw new RainbowError("USAGE", `service: there is 'service install', not 'service ${word(words, 0) ?? ""}'`);
    if (options.user === true && options.system === true) throw new RainbowError("USAGE", "service install: --user and --system exclude each other");
    if (!context.machine.isDataDirectory(dataDirectory)) {
      throw new RainbowError("NO_STORE", `${dataDirectory}: nothing is protected there yet; '${invocation.hint("add DIR")}' first, then install the service`, {
        dataDirectory,
      });
    }
    const scope = options.system === true || (options.user !== true && context.uid === 0) ? "system" : "user";
    const installed = context.machine.installService({ scope, dataDirectory });
    await report.json({ type: "service", ...installed, text: undefined });
    await report.line(`unit: ${installed.path}`);
    await report.line(`data directory: ${dataDirectory}`);
    for (const done of installed.done) await report.line(`done: ${done}`);
    if (installed.failed === undefined) await report.line(`${installed.unit} runs, and starts with the ${scope === "system" ? "machine" : "session"}`);
    else await report.incompleteBecause(`the unit is written but not started (${installed.failed}); run by yourself: ${installed.remaining.join(" && ")}`);
    if (scope === "user") await report.say("to keep it running while you are logged out: loginctl enable-linger");
    await report.say("where 'up' runs in a terminal now, the service takes over when that one ends");
    return EXIT.ok;
  },
};
