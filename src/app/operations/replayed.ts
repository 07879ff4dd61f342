/** The table over a replay for an auditor: it is read as any data directory, and nothing in it is changed. */
import { RainbowError } from "../../core/index.ts";
import type { ReplayOrigin } from "../data-directory.ts";
import type { Operations } from "./types.ts";

const CHANGING = [
  "addRoot",
  "removeRoot",
  "snapshot",
  "dropSnapshot",
  "setPolicy",
  "mirrorAdd",
  "mirrorSet",
  "mirrorRemove",
  "mirrorTrigger",
  "mirrorForget",
  "mirrorSettle",
] as const satisfies readonly (keyof Operations)[];
const CHANGING_STREAMS = [
  "rebase",
  "purge",
  "repair",
  "mirrorSync",
  "mirrorCheck",
  "mirrorScrub",
  "mirrorRecover",
] as const satisfies readonly (keyof Operations)[];

export function readable({ of, revision }: ReplayOrigin, table: Operations): Operations {
  const refusal = (): RainbowError =>
    new RainbowError("UNSUPPORTED", `this is a replay of ${of} up to r${revision}, made to be read: change that data directory itself`, { of, revision });
  const calls = CHANGING.map((name) => [name, () => Promise.reject(refusal())]);
  const streams = CHANGING_STREAMS.map((name) => [
    name,
    async function* () {
      yield* [];
      throw refusal();
    },
  ]);
  return { ...table, ...(Object.fromEntries([...calls, ...streams]) as Partial<Operations>) };
}
