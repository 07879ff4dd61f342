/** How answers look: names, sizes, entries and progress for people, JSON for programs. Pure but for Progress, which writes to a terminal. */
export { entryLine, markOf, kindName, modeText, originsText } from "./entries.ts";
export { jsonLine } from "./json.ts";
export { argumentBytes, argumentOf, nameForPeople, shellWord } from "./names.ts";
export { Progress, progressText } from "./progress.ts";
export type { Step } from "./progress.ts";
export { formatBytes, formatCount, formatSpan, plural } from "./sizes.ts";
