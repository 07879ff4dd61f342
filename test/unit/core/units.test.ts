import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteStringOf, bytesOf, byteStringOfText, displayOf, epochOfNode, EPOCH_MAX, nodeIdOf, type Epoch } from "../../../src/core/units.ts";

const test = suite("units");

test("a node id of the last epoch and the last counter is a safe integer, and keeps its epoch", () => {
  const node = nodeIdOf(EPOCH_MAX as Epoch, 2 ** 32 - 1);
  assert.ok(Number.isSafeInteger(node));
  assert.is(epochOfNode(node), EPOCH_MAX);
});

test("any bytes survive as a byte string", () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  assert.equal(bytesOf(byteStringOf(bytes)), bytes);
});

test("a name in UTF-8 is shown as it is, and any other byte as \\xNN", () => {
  assert.is(displayOf(byteStringOfText("Übung 日本")), "Übung 日本");
  assert.is(displayOf(byteStringOf(Buffer.from([0x61, 0xff, 0x5c]))), "a\\xff\\\\");
});

test.run();
