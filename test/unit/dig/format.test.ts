/** FORMAT.md and the constants of the code say the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as layout from "../../../src/dig/layout.ts";
import { REPOSITORY } from "../../runner/workspace.ts";

const text = readFileSync(join(REPOSITORY, "src/dig/FORMAT.md"), "utf8");

/** Rows of the first table behind a line that begins with `title`: field and offset. */
function tableBehind(title: string): [field: string, offset: number][] {
  const start = text.indexOf(`\n${title}`);
  assert.ok(start >= 0, `FORMAT.md has ${title}`);
  const lines = text.slice(start).split("\n");
  const head = lines.findIndex((line) => line.startsWith("| Offset"));
  const rows = lines.slice(
    head + 2,
    lines.findIndex((line, i) => i > head && !line.startsWith("|")),
  );
  return rows.map((row) => row.split("|").map((cell) => cell.trim())).map((cells) => [cells[4]!, Number(cells[1])]);
}

function sizes(title: string): void {
  const rows = text.slice(text.indexOf(`\n${title}`)).split("\n");
  const head = rows.findIndex((line) => line.startsWith("| Offset"));
  let next = 0;
  for (const row of rows.slice(head + 2)) {
    if (!row.startsWith("|")) break;
    const [offset, size] = row
      .split("|")
      .slice(1, 3)
      .map((cell) => Number(cell.trim()));
    assert.is(offset, next, `${title}: no gap before ${row}`);
    next = offset! + size!;
  }
}

const test = suite("DIG's format");

const TABLES: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  ["### Superblock", layout.SUPERBLOCK],
  ["### Bitmap block", layout.BITMAP],
  ["### Run", layout.RUN],
  ["Run entry:", layout.RUN_ENTRY],
  ["### Tree page", layout.PAGE],
  ["A chunk in a run row:", layout.ROW_CHUNK],
];
for (const [title, constants] of TABLES) {
  test(`the table behind "${title}" has the offsets of the code, without gaps`, () => {
    assert.equal(Object.fromEntries(tableBehind(title)), { ...constants });
    sizes(title);
  });
}

test("long values share the page header's places", () => {
  const table = Object.fromEntries(tableBehind("### Long value"));
  assert.equal([table["length"], table["bytes"]], [layout.OVERFLOW.length, layout.OVERFLOW.bytes]);
  for (const field of ["crc", "magic", "kind", "level", "birth", "sequence"] as const) assert.is(table[field], layout.PAGE[field], field);
});

test("numbers in the prose are those of the code", () => {
  const figures: readonly (readonly [string, number])[] = [
    ["groups of 32,512", layout.GROUP_BLOCKS],
    ["at most 192 chunks", layout.RUN_CHUNKS_MAX],
    ["values up to 1,024 inside", layout.INLINE_VALUE_BYTES_MAX],
    ["Keys have 1 to 300 bytes", layout.KEY_BYTES_MAX],
    ["offsets (u16) of every 16th", layout.RESTART_INTERVAL],
    ["1,016 bytes: bits", layout.SEGMENT_BYTES],
    ["then 21 bytes per chunk", layout.ROW_CHUNK_BYTES],
    ["64 + 41 × count", layout.RUN_ENTRY_BYTES],
  ];
  for (const [phrase, value] of figures) {
    assert.ok(text.includes(phrase), phrase);
    assert.ok(phrase.replaceAll(",", "").includes(String(value)), `${phrase}: the code has ${value}`);
  }
  for (const [name, letter] of Object.entries(layout.TABLE)) assert.match(text, new RegExp(`\\| ${letter} +\\| ${name} +\\|`));
});

test.run();
