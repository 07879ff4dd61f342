import type { Dig, Problem } from "./dig.ts";
import type { DigInternals } from "./open.ts";
export async function* checkStore(_dig: DigInternals, _options: Parameters<Dig["check"]>[0]): AsyncIterable<Problem> {}
