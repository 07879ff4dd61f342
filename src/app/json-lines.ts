/** JSON with the line of each value, so that what is wrong in a file can be shown where it stands. */

export interface JsonNode {
  readonly line: number;
  readonly value: string | number | boolean | null | readonly JsonNode[] | ReadonlyMap<string, JsonMember>;
}
export interface JsonMember {
  readonly line: number;
  readonly node: JsonNode;
}

const DEPTH_MAX = 32;
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;

/** Throws what `fail` makes of a line and a reason. */
export function parseJsonLines(text: string, fail: (line: number, why: string) => Error): JsonNode {
  const reader = new JsonReader(text, fail);
  const node = reader.value(0);
  reader.end();
  return node;
}

class JsonReader {
  private readonly text: string;
  private readonly fail: (line: number, why: string) => Error;
  private at = 0;
  private line = 1;

  constructor(text: string, fail: (line: number, why: string) => Error) {
    this.text = text;
    this.fail = fail;
  }

  value(depth: number): JsonNode {
    this.space();
    const { line } = this;
    if (depth > DEPTH_MAX) throw this.fail(line, "it is nested too deeply");
    const first = this.text[this.at];
    if (first === "{") return { line, value: this.object(depth) };
    if (first === "[") return { line, value: this.array(depth) };
    const word = first === '"' ? this.take(STRING) : this.take(WORD);
    if (word === undefined)
      throw this.fail(line, first === undefined ? "it ends too early" : `there is no value at '${this.text.slice(this.at, this.at + 10)}'`);
    return { line, value: JSON.parse(word) as JsonNode["value"] };
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw this.fail(this.line, "something follows the end");
  }

  private object(depth: number): ReadonlyMap<string, JsonMember> {
    const members = new Map<string, JsonMember>();
    this.at += 1;
    for (let isFirst = true; !this.closes("}", isFirst); isFirst = false) {
      this.space();
      const { line } = this;
      const key = this.take(STRING);
      if (key === undefined) throw this.fail(line, "a key in quotes is missing");
      const name = JSON.parse(key) as string;
      if (members.has(name)) throw this.fail(line, `'${name}' stands there twice`);
      this.expect(":");
      members.set(name, { line, node: this.value(depth + 1) });
    }
    return members;
  }

  private array(depth: number): readonly JsonNode[] {
    const items: JsonNode[] = [];
    this.at += 1;
    for (let isFirst = true; !this.closes("]", isFirst); isFirst = false) items.push(this.value(depth + 1));
    return items;
  }

  /** At the end of an object or array, or behind the comma before its next member. */
  private closes(end: string, isFirst: boolean): boolean {
    this.space();
    if (this.text[this.at] === end) {
      this.at += 1;
      return true;
    }
    if (!isFirst) this.expect(",");
    return false;
  }

  private expect(sign: string): void {
    this.space();
    if (this.text[this.at] !== sign) throw this.fail(this.line, `'${sign}' is missing`);
    this.at += 1;
  }

  private space(): void {
    for (; /\s/.test(this.text[this.at] ?? "x"); this.at++) if (this.text[this.at] === "\n") this.line += 1;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found !== undefined) this.at += found.length;
    return found;
  }
}
