/** The header of a diff is as every patch program reads it: the name as it is, a tab, what tells the version. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { unifiedDiff } from "../../../src/app/operations/text-diff.ts";

const test = suite("differences of text");

test("names stand in the header as they are, with the version behind a tab", () => {
  const diff = unifiedDiff({ name: "/home/a b/x.txt", label: "r5", text: "one\ntwo\n" }, { name: "/home/a b/x.txt", label: "r9", text: "ONE\ntwo\n" });
  assert.equal(diff?.split("\n"), ["--- /home/a b/x.txt\tr5", "+++ /home/a b/x.txt\tr9", "@@ -1,2 +1,2 @@", "-one", "+ONE", " two", ""]);
});

test("versions that differ in too much have no diff", () => {
  const lines = (salt: string): string => Array.from({ length: 5000 }, (_, i) => `${salt}${i}\n`).join("");
  assert.is(unifiedDiff({ name: "a", label: "r1", text: lines("x") }, { name: "a", label: "r2", text: lines("y") }), undefined);
});

test.run();
