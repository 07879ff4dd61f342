/**
 * PATH and INSTANT arguments. A path is as on disk: absolute or relative to where the user stands, byte for byte; `..` and `.` are
 * resolved as words. PATH@INSTANT is taken apart only where no file of the whole name exists; `./a@b` means such a file, and with
 * --at nothing is taken apart. `mirror:NAME/PATH` is what a mirror has; `./mirror:x` a file of that name.
 */
import type { InstantWords, Operations } from "../app/index.ts";
import { isRainbowError, RainbowError } from "../core/index.ts";
import type { ByteString } from "../core/index.ts";
import { argumentBytes, nameForPeople, shellWord } from "./format/index.ts";
import { parseInstant, splitPath } from "./instants/index.ts";
import type { SplitPath } from "./instants/index.ts";
import type { Invocation } from "./invocation.ts";

const MIRROR = "mirror:";

export interface PathAt {
  readonly path: ByteString;
  readonly at: InstantWords;
  /** Whether the user named an instant, so that "now" is a choice and not the default. */
  readonly isNamed: boolean;
}

/** `argument` without symlinks resolved: absolute, no `.`, `..`, doubled or trailing slashes. */
export function absolutePath(argument: string, cwd: ByteString): ByteString {
  const bytes = argumentBytes(argument);
  if (bytes.includes("\0")) throw new RainbowError("USAGE", "a path holds no NUL character");
  const names: string[] = [];
  for (const name of (bytes.startsWith("/") ? bytes : `${cwd}/${bytes}`).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}` as ByteString;
}

export function isBelow(path: ByteString, folder: ByteString): boolean {
  return path === folder || folder === "/" || path.startsWith(`${folder}/`);
}

/** A time as the user wrote it with --at; "now" where it is not there. */
export function instantOption(invocation: Invocation, words: string | undefined): InstantWords {
  if (words === undefined) return { kind: "now" };
  return parseInstant(words, { nowUs: invocation.context.clock.now(), zone: invocation.context.zone });
}

/** A PATH argument of a reading command, with `at` of --at. Without an argument: where the user stands. */
export async function pathAt(invocation: Invocation, argument: string | undefined, at: string | undefined): Promise<PathAt> {
  const { context } = invocation;
  if (argument === undefined || at !== undefined) {
    return { path: await placeOf(invocation, argument ?? "."), at: instantOption(invocation, at), isNamed: at !== undefined };
  }
  const whole = { path: await placeOf(invocation, argument), at: { kind: "now" } as const, isNamed: false };
  const split = splitPath(argument, { nowUs: context.clock.now(), zone: context.zone });
  if (split === undefined) return whole;
  const operations = await invocation.operations();
  const isInstant = isRainbowError(split.instant) || split.instant.kind !== "name" || (await isSnapshot(operations, split.path, split.instant.name));
  if (!isInstant) return whole;
  const wholeExists = context.machine.existsAt(whole.path) || (await existsNow(operations, whole.path));
  if (wholeExists && (argument.startsWith("./") || isRainbowError(split.instant))) return whole;
  if (isRainbowError(split.instant)) throw split.instant;
  if (wholeExists) throw ambiguous(argument, split, whole.path);
  return { path: await placeOf(invocation, split.path === "" ? "." : split.path), at: split.instant, isNamed: true };
}

/** The absolute path; where it lies below no protected folder by its words, the one that symlinks lead to, if that does. */
export async function placeOf(invocation: Invocation, argument: string): Promise<ByteString> {
  if (argument.startsWith(MIRROR)) return mirrorPath(argument);
  const path = absolutePath(argument, invocation.context.cwd);
  const roots = (await (await invocation.operations()).roots()).map((root) => root.path);
  if (roots.some((root) => isBelow(path, root))) return path;
  const real = invocation.context.machine.realPathOf(path, { keepLast: true });
  if (roots.some((root) => isBelow(real, root))) return real;
  const followed = invocation.context.machine.realPathOf(path, { keepLast: false });
  return roots.some((root) => isBelow(followed, root)) ? followed : path;
}

/** As absolutePath, from the mirror's top. */
function mirrorPath(argument: string): ByteString {
  const slash = argument.indexOf("/");
  if (slash === -1) return argumentBytes(argument);
  const path = absolutePath(argument.slice(slash), "/" as ByteString);
  return (argumentBytes(argument.slice(0, slash)) + (path === "/" ? "" : path)) as ByteString;
}

/** Of what `path` is of. A mirror's own name has no `@` in it: what stands behind one is meant as an instant, whether there is one or not. */
async function isSnapshot(operations: Operations, path: string, name: string): Promise<boolean> {
  if (path.startsWith(MIRROR) && !path.includes("/")) return true;
  const mirror = path.startsWith(MIRROR) ? path.slice(MIRROR.length, path.indexOf("/")) : undefined;
  return (await operations.snapshots({ mirror })).some((snapshot) => snapshot.name === name);
}

async function existsNow(operations: Operations, path: ByteString): Promise<boolean> {
  try {
    await operations.stat({ path, at: { kind: "now" } });
    return true;
  } catch (error) {
    if (isRainbowError(error, "NOT_FOUND", "NOT_PROTECTED", "INSTANT_OUTSIDE")) return false;
    throw error;
  }
}

function ambiguous(argument: string, split: SplitPath, path: ByteString): RainbowError {
  const file = shellWord(argumentBytes(`./${argument}`));
  const choices = [
    argument.startsWith("/") ? `--at now ${shellWord(argumentBytes(argument))}` : file,
    `--at ${shellWord(argumentBytes(split.words))} ${shellWord(argumentBytes(split.path || "."))}`,
  ];
  const what = `'${nameForPeople(path)}' exists, and '${split.words}' is an instant too`;
  return new RainbowError(
    "PATH_AMBIGUOUS",
    `${what}: write ${choices[0]} for the file of that name, ${choices[1]} for '${split.path || "."}' at that instant`,
    { choices },
  );
}
