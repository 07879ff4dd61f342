/** rainbow diff: what differs between two instants, or two folders. */
import type { DiffItem, Entry, Operations } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import { AT_OPTION, word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, kindName, modeText, nameForPeople, plural } from "../format/index.ts";
import { pathAt } from "../paths.ts";
import type { PathAt } from "../paths.ts";
import { afterAsOf } from "../streams.ts";
import type { Invocation } from "../invocation.ts";

interface Options {
  readonly at?: string;
  readonly against?: string;
  readonly text: boolean;
}

const SIGNS: Readonly<Record<DiffItem["what"], string>> = { added: "+", removed: "-", changed: "M", metadata: "m", renamed: "R", kind: "T" };

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option(...AT_OPTION)
      .option("--against <instant>", "the other instant (default: now)")
      .option("--no-text", "only which files differ, not how")
      .addHelpText(
        "after",
        "\ndiff PATH@A compares A with now, diff PATH@A PATH@B compares A with B.\nSigns: + added, - removed, M content, m metadata alone, R renamed, T another kind.",
      ),
  run: async (invocation, words, options) => {
    const [before, after] = await sidesOf(invocation, word(words, 0), word(words, 1), options);
    const request = { path: before.path, at: before.at, otherPath: after.path, otherAt: after.at, text: options.text };
    return await reportDifferences(invocation, [request]);
  },
};

/** Prints what each of the requests finds; one answer for all. */
export async function reportDifferences(invocation: Invocation, requests: readonly Parameters<Operations["diff"]>[0][]): Promise<number> {
  const { report, context } = invocation;
  let count = 0;
  for (const request of requests) {
    for await (const item of afterAsOf(invocation, (await invocation.operations()).diff(request, context.signal))) {
      count++;
      await report.json(item);
      await report.data(`${SIGNS[item.what]} ${differenceText(item)}`);
      if (item.text !== undefined && item.text !== "") await report.data(item.text.replace(/\n$/, ""));
    }
  }
  await report.say(count === 0 ? "no difference" : plural(count, "difference"));
  return count === 0 ? EXIT.ok : EXIT.differs;
}

async function sidesOf(invocation: Invocation, path: string | undefined, other: string | undefined, options: Options): Promise<[PathAt, PathAt]> {
  const before = await pathAt(invocation, path, options.at);
  const after =
    other === undefined && options.against === undefined
      ? { ...before, at: { kind: "now" } as const, isNamed: false }
      : await pathAt(invocation, other, options.against);
  const otherSide = other === undefined ? { ...after, path: before.path } : after;
  if (!before.isNamed && !otherSide.isNamed && before.path === otherSide.path) {
    throw new RainbowError("USAGE", `diff: both sides are '${nameForPeople(before.path)}' as of now; name an instant, as in '${path ?? "PATH"}@10m'`);
  }
  return [before, otherSide];
}

function differenceText(item: DiffItem): string {
  const name = nameForPeople(item.path);
  const { before, after } = item;
  if (item.what === "renamed") return `${nameForPeople(item.fromPath ?? item.path)} -> ${name}`;
  if (before === undefined || after === undefined) return `${name}${(after ?? before)?.kind === "directory" ? "/" : ""}`;
  if (item.what === "kind") return `${name}  (${kindName(before.kind)} -> ${kindName(after.kind)})`;
  if (item.what === "metadata") return `${name}${metadataText(before, after)}`;
  return before.sizeBytes === after.sizeBytes ? name : `${name}  (${formatBytes(before.sizeBytes)} -> ${formatBytes(after.sizeBytes)})`;
}

function metadataText(before: Entry, after: Entry): string {
  const parts: string[] = [];
  if (before.mode !== after.mode) parts.push(`mode ${modeText(before.kind, before.mode)} -> ${modeText(after.kind, after.mode)}`);
  if (before.uid !== after.uid || before.gid !== after.gid) parts.push(`owner ${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  if (before.mtimeSeconds !== after.mtimeSeconds || before.mtimeNanos !== after.mtimeNanos) parts.push("time");
  return `  (${parts.length === 0 ? "attributes" : parts.join(", ")})`;
}
