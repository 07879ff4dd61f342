/** The rules of one file at a time. Each takes a source and returns its offences. */
import { adapterOf, importsOf } from "./imports.ts";
import { offencesOf, type Offence, type Source } from "./source.ts";

const FILE_LINES_MAX = 500;
const FACE_COMMENT_LINES_MAX = 10;
const EMPTY_NAMES = /(^|-)(utils?|helpers?|common|managers?|misc)(-|\.|$)/;
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|d))?\.ts$/;

export function nameOffences({ path }: { readonly path: string }): Offence[] {
  const name = path.split("/").at(-1) as string;
  const offences: Offence[] = [];
  if (name.endsWith(".ts") && !KEBAB_CASE.test(name)) offences.push({ path, line: 1, what: "file names are kebab-case" });
  const empty = path.split("/").find((part) => EMPTY_NAMES.test(part));
  if (empty !== undefined) offences.push({ path, line: 1, what: `${empty} says nothing: name the thing` });
  return offences;
}

export function lengthOffences({ path, text }: { readonly path: string; readonly text: string }): Offence[] {
  const lineCount = text.split("\n").length - 1;
  return lineCount <= FILE_LINES_MAX ? [] : [{ path, line: FILE_LINES_MAX + 1, what: `${lineCount} lines; at most ${FILE_LINES_MAX}` }];
}

/** index.ts: opens with its duty in at most ten lines, and lists its exports by name. */
export function faceOffences(source: Source): Offence[] {
  if (!/^src\/.*\bindex\.ts$/.test(source.path)) return [];
  const opening = /^(?:\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(source.text)?.[0] ?? "";
  const lines = opening.split("\n").filter((line) => /[^\s/*]/.test(line));
  const stars = offencesOf(source, source.bare, /\bexport\s*\*/g, () => "a face lists its exports by name, no `export *`");
  if (lines.length >= 1 && lines.length <= FACE_COMMENT_LINES_MAX) return stars;
  const what = `opens with ${lines.length} lines of comment; one to ten say the duty, the guarantees and what it is not for`;
  return [{ path: source.path, line: 1, what }, ...stars];
}

const MARKS = { todo: ["TO", "DO"].join(""), fixme: ["FIX", "ME"].join("") };

/** `text` is where to look: a source's comments, or the whole of a file in another language. */
export function markOffences(source: Source, text: string): Offence[] {
  return [
    ...offencesOf(source, text, new RegExp(`\\b${MARKS.todo}\\b(?!\\(#\\d+\\))`, "g"), () => `${MARKS.todo} without an issue number`),
    ...offencesOf(source, text, new RegExp(`\\b${MARKS.fixme}\\b`, "g"), () => MARKS.fixme),
  ];
}

const AMBIENT =
  /\b(Date\.now|Math\.random|performance\.now|process\.hrtime|new Date\(\s*\)|(?<![.\w])(?:setTimeout|setInterval)\s*\(|randomUUID|randomBytes|randomInt)/g;
const AMBIENT_MODULES = /^node:(fs|fs\/promises|net|tls|http|https|http2|dgram|dns|child_process|timers|timers\/promises)$/;

/** Time, chance, disk and network are handed in: only app/, adapters, the command line's entry and tests reach for them. */
export function ambientOffences(source: Source): Offence[] {
  const { path } = source;
  const isFree = !path.startsWith("src/") || path.startsWith("src/app/") || path === "src/cli/main.ts" || adapterOf(path) !== undefined;
  if (isFree) return [];
  const modules = importsOf(source).filter((each) => AMBIENT_MODULES.test(each.to) && !each.isTypeOnly);
  return [
    ...offencesOf(source, source.bare, AMBIENT, (match) => `${match[0].replace(/\s*\($/, "")} belongs in src/app or an adapter; take it as a port`),
    ...modules.map((each) => ({ path, line: each.line, what: `${each.to} belongs in src/app or an adapter; take it as a port` })),
  ];
}

/** uvu's traps: `.only` hides other tests behind exit code 0, and a suite without `.run()` is never run. */
export function suiteOffences(source: Source): Offence[] {
  if (!source.path.startsWith("test/")) return [];
  const usesUvu = importsOf(source).some((each) => each.to === "uvu");
  if (!usesUvu) return [];
  const suites = [...source.bare.matchAll(/\b(?:const|let)\s+(\w+)\s*=\s*suite\s*[(<]/g)].map((match) => ({ name: match[1] as string, index: match.index }));
  if (/import\s*\{[^}]*\btest\b[^}]*\}\s*from "uvu"/.test(source.code)) suites.push({ name: "test", index: 0 });
  const idle = suites.filter(({ name }) => !new RegExp(`\\b${name}\\.run\\(\\)`).test(source.bare));
  return [
    ...offencesOf(source, source.bare, /\.only\s*\(/g, () => ".only hides the other tests"),
    ...idle.map(({ name, index }) => ({
      path: source.path,
      line: source.bare.slice(0, index).split("\n").length,
      what: `the suite ${name} has no ${name}.run()`,
    })),
  ];
}

/** What would tie the project to one machine or one registry. `ownFolder` is where this checkout happens to lie. */
export function foreignOffences(source: Source, ownFolder: string): Offence[] {
  const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const places = [`(?<![\\w.])/${"work"}/`, `\\.\\./${"shared"}/`, ...(ownFolder.length > 6 ? [`${literal(ownFolder)}(?=/)`] : [])];
  const registries = ["https?://registry\\.", `registry\\.${"npmjs"}\\.`, `${"npm"}mirror`, `"${"resolved"}": *"https?:`];
  return [
    ...offencesOf(source, source.text, new RegExp(places.join("|"), "g"), (match) => `${match[0]} is a path of one machine`),
    ...offencesOf(source, source.text, new RegExp(registries.join("|"), "g"), (match) => `${match[0]} names a package registry`),
  ];
}

const EXPORTED = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** Dead code: what is exported in src/ and named nowhere else, faces (index.ts) not counted. */
export function unusedOffences(sources: readonly Source[]): Offence[] {
  const counts = new Map<string, number>();
  for (const source of sources) {
    if (source.path.endsWith("/index.ts")) continue;
    for (const word of source.bare.match(/\w+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const exporters = sources.filter(({ path }) => path.startsWith("src/") && !path.endsWith("/index.ts"));
  return exporters.flatMap((source) =>
    offencesOf(source, source.bare, EXPORTED, (match) => match[1] as string)
      .filter(({ what }) => counts.get(what) === 1)
      .map((offence) => ({ ...offence, what: `${offence.what} is exported and used nowhere` })),
  );
}
