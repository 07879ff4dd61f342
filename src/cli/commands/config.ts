/** rainbow config: what the configuration file says, and whether it is right. */
import { EXIT, isRainbowError, RainbowError } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";

const HELP = `
The file is named by --config or RAINBOW_CONFIG, or lies at /etc/rainbow/rainbow.json for root and ~/.config/rainbow/rainbow.json for others.
'up' protects its roots and sets its policy at each start. Words of the command line go first, then the environment, then the file.`;

export const command: CommandFile = {
  declare: (self) => self.addHelpText("after", HELP),
  run: async (invocation, words) => {
    const action = word(words, 0) ?? "show";
    if (action === "show") return await show(invocation);
    if (action === "check") return await check(invocation);
    throw new RainbowError("USAGE", "'config show' says what holds, 'config check' whether the file is right");
  },
};

async function show(invocation: Invocation): Promise<number> {
  const { report, config, dataDirectory } = invocation;
  await report.json({ type: "config", ...config, dataDirectory });
  await report.data(
    config.file === undefined ? `no configuration file; one may lie at ${invocation.context.machine.defaultConfigFile()}` : `file: ${config.file}`,
  );
  await report.data(`data directory: ${dataDirectory}`);
  if (config.events !== undefined)
    await report.data(
      `events: ${config.events}${config.eventsCredentialsFile === undefined ? "" : ` (user and password from ${config.eventsCredentialsFile})`}`,
    );
  for (const { path, options } of config.roots) {
    const limit = options.fileBytesMax > 0 ? `; not over ${formatBytes(options.fileBytesMax)}` : "";
    const rules = options.rules.length > 0 ? `; without ${options.rules.join(", ")}` : "";
    await report.data(`protects ${nameForPeople(path)}${options.crossMounts ? ", with filesystems mounted below" : ""}${rules}${limit}`);
  }
  if (config.policyWords.length > 0) await report.data(`policy: ${config.policyWords.join(" ")}`);
  return EXIT.ok;
}

async function check(invocation: Invocation): Promise<number> {
  const { report, config, context } = invocation;
  if (config.file === undefined)
    throw new RainbowError("NOT_FOUND", `there is no configuration file: --config names one, or it lies at ${context.machine.defaultConfigFile()}`);
  let problemCount = 0;
  const problem = async (text: string): Promise<void> => {
    problemCount++;
    await report.json({ type: "problem", what: text });
    await report.data(text);
  };
  for (const { path } of config.roots) if (context.machine.kindAt(path) !== "directory") await problem(`${nameForPeople(path)}: there is no such folder`);
  try {
    await context.machine.checkConfig(config);
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    await problem(error.message);
  }
  if (problemCount === 0) await report.line(`${config.file} is right`);
  return problemCount === 0 ? EXIT.ok : EXIT.usage;
}
