/** Splits TypeScript into code, strings and comments without a parser, well enough for line rules. Line numbers stay what they were. */
export interface Source {
  /** Path from the repository's root, with "/". */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out. */
  readonly code: string;
  /** The text with comments and the insides of strings and regular expressions blanked out. */
  readonly bare: string;
  /** The text with all but comments blanked out. */
  readonly comments: string;
}

export interface Offence {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

type Kind = "code" | "string" | "comment";

export function sourceOf(path: string, text: string): Source {
  const kinds = classify(text);
  const keep = (wanted: (kind: Kind) => boolean): string => {
    let out = "";
    for (let i = 0; i < text.length; i++) out += text[i] === "\n" || wanted(kinds[i] as Kind) ? text[i] : " ";
    return out;
  };
  return { path, text, code: keep((kind) => kind !== "comment"), bare: keep((kind) => kind === "code"), comments: keep((kind) => kind === "comment") };
}

/** One offence for each match of `pattern` (with the g flag) in `where`, a blanked form of the source. */
export function offencesOf(source: Source, where: string, pattern: RegExp, what: (match: RegExpExecArray) => string): Offence[] {
  return [...where.matchAll(pattern)].map((match) => ({ path: source.path, line: lineAt(where, match.index), what: what(match) }));
}

export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < index; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

/** The kind of each character. A template's `${…}` is code again, to any depth. */
function classify(text: string): Kind[] {
  const kinds = new Array<Kind>(text.length).fill("code");
  const braces: number[] = []; // One entry for each open `${`: the depth of plain braces inside it.
  let i = 0;
  const mark = (end: number, kind: Kind): void => {
    kinds.fill(kind, i, end);
    i = end;
  };
  while (i < text.length) {
    const c = text[i] as string;
    const pair = text.slice(i, i + 2);
    const depth = braces.at(-1);
    if (pair === "//") mark(endOf(text, "\n", i), "comment");
    else if (pair === "/*") mark(endOf(text, "*/", i + 2), "comment");
    else if (c === '"' || c === "'") mark(quotedEnd(text, i), "string");
    else if (c === "/" && startsRegex(text, i)) mark(regexEnd(text, i), "string");
    else if (c === "`" || (c === "}" && depth === 0)) {
      if (c === "}") braces.pop();
      mark(templateEnd(text, i + 1), "string");
      if (text[i - 1] === "{") braces.push(0); // Stopped at `${`.
    } else {
      if (depth !== undefined && (c === "{" || c === "}")) braces[braces.length - 1] = depth + (c === "{" ? 1 : -1);
      i++;
    }
  }
  return kinds;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? text.length : mark === "\n" ? at : at + mark.length;
}

function quotedEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== text[start] && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
  return Math.min(i + 1, text.length);
}

/** The end of a template's text: after its closing backtick, or after the next `${`. */
function templateEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return i + 1;
    else if (text.startsWith("${", i)) return i + 2;
  }
  return text.length;
}

function startsRegex(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 60), at).trimEnd();
  return before === "" || /[(,=:[!&|?{};+\-*%<>~^]$/.test(before) || /\b(?:return|typeof|case|in|of|else)$/.test(before);
}

function regexEnd(text: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < text.length && text[i] !== "\n"; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
    else if (text[i] === "/" && !inClass) return i + 1;
  }
  return start + 1; // A division after all.
}
