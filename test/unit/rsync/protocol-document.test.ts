/** PROTOCOL.md and the constants of the code say the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { COMPAT, COMPRESSORS, FILE_DIGESTS } from "../../../src/rsync/agreement.ts";
import { FLAG } from "../../../src/rsync/entry-reader.ts";
import { LOGIN_DIGESTS } from "../../../src/rsync/greeting.ts";
import { DIGEST_BYTES } from "../../../src/rsync/index.ts";
import { TAG } from "../../../src/rsync/messages.ts";
import { PACKED } from "../../../src/rsync/packed-tokens.ts";
import { REPOSITORY } from "../../runner/workspace.ts";

const text = readFileSync(join(REPOSITORY, "src/rsync/PROTOCOL.md"), "utf8");

/** The cells of the table whose head begins with these titles. */
function table(...titles: readonly string[]): string[][] {
  const lines = text.split("\n");
  const cells = (line: string): string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const head = lines.findIndex((line) => line.startsWith("|") && titles.every((title, i) => cells(line)[i] === title));
  assert.ok(head >= 0, `PROTOCOL.md has the table ${titles.join(", ")}`);
  const end = lines.findIndex((line, i) => i > head && !line.startsWith("|"));
  return lines.slice(head + 2, end).map(cells);
}

const test = suite("rsync: the protocol's document");

test("capabilities, tags and flags are those of the code", () => {
  const named = (rows: readonly string[][]): Record<string, number> => Object.fromEntries(rows.map(([value, name]) => [name, Number(value)]));
  assert.equal(named(table("Bit", "Name")), { ...COMPAT });
  assert.equal(named(table("Tag", "Name")), { ...TAG });
  assert.equal(named(table("Flag", "Name")), { ...FLAG });
  assert.equal(named(table("First byte", "Name")), { ...PACKED });
});

test("digests are those of the code, and names stand in the order of the code", () => {
  assert.equal(Object.fromEntries(table("Name", "Bytes").map(([name, bytes]) => [name, Number(bytes)])), { ...DIGEST_BYTES });
  assert.ok(text.includes(`\`${FILE_DIGESTS.join(" ")}\``));
  assert.ok(text.includes(`\`${COMPRESSORS.join(" ")}\``));
  assert.ok(text.includes(LOGIN_DIGESTS.join(", ")));
});

test.run();
