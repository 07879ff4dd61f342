/** Numbers among a command's options. */
import { RainbowError } from "../core/index.ts";

/** A count from 1 on. */
export function countOption(name: string, text: string | undefined, whenMissing: number): number {
  if (text === undefined) return whenMissing;
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new RainbowError("USAGE", `${name} takes a number from 1 on, not '${text}'`);
}
