/** What is left out below a protected folder: options of up and add. */
import type { Command } from "commander";
import { parseBytes } from "../app/index.ts";
import type { ByteString, Operations, RootOptions } from "../app/index.ts";
import { RainbowError } from "../core/index.ts";
import { collect } from "./command.ts";
import { nameForPeople } from "./format/index.ts";
import type { Invocation } from "./invocation.ts";
import { absolutePath } from "./paths.ts";

export interface RootWords {
  readonly exclude?: readonly string[];
  readonly excludeFrom?: string;
  readonly crossMounts?: boolean;
  readonly maxFileSize?: string;
  readonly replace?: boolean;
}

export function declareRootOptions(command: Command): void {
  command
    .option("--exclude <rule>", "leave out what matches (gitignore syntax, relative to the folder); may be given again", collect)
    .option("--exclude-from <file>", "leave out what the rules in a file match")
    .option("--cross-mounts", "take in other filesystems mounted below the folder")
    .option("--max-file-size <size>", "leave out larger files (500M, 10G)")
    .option("--replace", "what is given takes the place of all that was said of the folder before, instead of being added to it");
}

/** The folders as absolute paths without symlinks. ROOT_REFUSED where one is no folder, before anything is made. */
export function protectedFolders(invocation: Invocation, words: readonly string[]): ByteString[] {
  const { machine, cwd } = invocation.context;
  return words.map((word) => {
    const path = machine.realPathOf(absolutePath(word, cwd), { keepLast: false });
    const kind = machine.kindAt(path);
    if (kind === "directory") return path;
    const why = kind === undefined ? "does not exist or cannot be reached" : "is no folder; name the folder that holds it";
    throw new RainbowError("ROOT_REFUSED", `${nameForPeople(path)}: ${why}`, { path: nameForPeople(path) });
  });
}

/** What is given, added to what is known of the folder; with --replace in its place. */
export async function rootOptionsFor(invocation: Invocation, operations: Operations, path: ByteString, words: RootWords): Promise<RootOptions> {
  const known = words.replace === true ? undefined : (await operations.roots()).find((root) => root.path === path)?.options;
  const fromFile = words.excludeFrom === undefined ? [] : invocation.context.machine.readLines(absolutePath(words.excludeFrom, invocation.context.cwd));
  const given = [...fromFile.filter((line) => line.trim() !== "" && !line.startsWith("#")), ...(words.exclude ?? [])];
  const before = known?.rules ?? [];
  return {
    crossMounts: words.crossMounts ?? known?.crossMounts ?? false,
    rules: [...before, ...given.filter((rule) => !before.includes(rule))],
    fileBytesMax: words.maxFileSize === undefined ? (known?.fileBytesMax ?? 0) : parseSize(words.maxFileSize),
  };
}

/** `500M`, `10G`, `4096`. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new RainbowError("USAGE", `'${text}' is no size: write 500M, 10G or a number of bytes`);
}
