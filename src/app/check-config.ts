/** What a configuration says beyond its shape: whether it could be carried out. */
import { eventsAddress } from "./config.ts";
import type { Config } from "./config.ts";

/** USAGE or CONFIG_REFUSED says what could not be. */
export async function checkConfig(config: Config): Promise<void> {
  eventsAddress(config);
  const { DEFAULT_POLICY, withWords } = await import("../actors/retention/index.ts");
  withWords(DEFAULT_POLICY, config.policyWords);
}
