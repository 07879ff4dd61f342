/** What a purge hides: files by number, before its revision, as runs of numbers. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString, NodeId, Revision, TimeUs } from "../../../src/core/index.ts";
import { Purges, runsOfNodes } from "../../../src/projections/index.ts";

const PATH = "/p" as ByteString;
const purge = (revision: number, nodes: readonly number[]) => ({
  revision: revision as Revision,
  timeUs: 5 as TimeUs,
  path: PATH,
  nodes: runsOfNodes(nodes as NodeId[], 100)[0]!,
});
const of = (purges: Purges, node: number, instant: number): number | undefined => purges.of(node as NodeId, instant as Revision)?.revision;

const test = suite("purges");

test("a file is hidden before each purge of it, and not from it on", () => {
  const purges = new Purges([purge(10, [3, 4, 9]), purge(20, [4, 2 ** 40])]);
  assert.equal(
    [9, 10, 19, 20].map((instant) => of(purges, 4, instant)),
    [20, 20, 20, undefined],
  );
  assert.equal(
    [2, 3, 5, 8, 9, 10].map((node) => of(purges, node, 9)),
    [undefined, 10, undefined, undefined, 10, undefined],
  );
  assert.is(of(purges, 3, 10), undefined);
  assert.is(of(purges, 2 ** 40, 0), 20);
  assert.equal(
    [...purges.after(10 as Revision)].map(({ purge: { revision }, nodes }) => [revision, [...nodes]]),
    [[20, [4, 2 ** 40]]],
  );
});

test("numbers become runs, in lists of no more than the limit, each from 0 on", () => {
  assert.equal(runsOfNodes([7, 5, 6, 100] as NodeId[], 10), [[5, 3, 92, 1]]);
  assert.equal(runsOfNodes([1, 3, 5, 6] as NodeId[], 2), [
    [1, 1, 1, 1],
    [5, 2],
  ]);
  assert.equal(runsOfNodes([], 2), []);
});

test.run();
