/** What happened to a path over time: versions, differences, deletions. */
import { RainbowError } from "../../core/index.ts";
import type { OperationsContext } from "./context.ts";
import type { Operations } from "./types.ts";

export function history(context: OperationsContext): Pick<Operations, "log" | "diff" | "deleted"> {
  void context;
  const notYet = (): never => {
    throw new RainbowError("UNSUPPORTED", "not built yet");
  };
  return { log: notYet, diff: notYet, deleted: notYet };
}
