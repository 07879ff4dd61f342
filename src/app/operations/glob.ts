/** Shell globs over raw bytes: `*` and `?` stop at slashes, `**` does not, `[a-z]` and `[!a-z]` are classes, `\` takes the next byte as it is. */
import { byteStringOfText, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";

const PATTERN_BYTES_MAX = 4096; // A path's own limit.

/** A test of whole names (or whole relative paths). USAGE where the pattern is malformed or too long. */
export function globMatcher(pattern: string): (name: ByteString) => boolean {
  const bytes = byteStringOfText(pattern);
  if (bytes.length > PATTERN_BYTES_MAX) throw new RainbowError("LIMIT", `the pattern has ${bytes.length} bytes, at most ${PATTERN_BYTES_MAX} are allowed`);
  let source = "";
  for (let at = 0; at < bytes.length;) {
    const { text, next } = piece(bytes, at);
    source += text;
    at = next;
  }
  const expression = new RegExp(`^${source}$`, "s");
  return (name) => expression.test(name);
}

function piece(bytes: ByteString, at: number): { text: string; next: number } {
  const character = bytes[at]!;
  if (character === "*") {
    if (bytes[at + 1] !== "*") return { text: "[^/]*", next: at + 1 };
    return bytes[at + 2] === "/" ? { text: "(?:.*/)?", next: at + 3 } : { text: ".*", next: at + 2 };
  }
  if (character === "?") return { text: "(?:[\\xc2-\\xf4][\\x80-\\xbf]{1,3}|[^/])", next: at + 1 }; // One UTF-8 character, or one byte that is none.
  if (character === "[") return characterClass(bytes, at);
  if (character === "\\" && at + 1 < bytes.length) return { text: quoted(bytes[at + 1]!), next: at + 2 };
  return { text: quoted(character), next: at + 1 };
}

function characterClass(bytes: ByteString, at: number): { text: string; next: number } {
  const negated = bytes[at + 1] === "!" || bytes[at + 1] === "^";
  const start = at + (negated ? 2 : 1);
  const end = bytes.indexOf("]", start + 1);
  if (end === -1) return { text: quoted("["), next: at + 1 }; // As the shell has it: an unclosed class is a plain bracket.
  const body = bytes.slice(start, end).replace(/[\\^[\]]/g, "\\$&");
  return { text: `(?!/)[${negated ? "^" : ""}${body}]`, next: end + 1 };
}

function quoted(character: string): string {
  return character.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
