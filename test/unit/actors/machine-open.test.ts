/** Opening a machine after an end that came between payload and events (rule 14). */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import { openStores } from "../../sim/power-cut/stores.ts";
import { rigChunk } from "../../support/dig-rig.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const test = suite("opening a machine");

test("chunks that were stored and that no event names are given back, and their numbers are used again", async () => {
  const directory = join(temporaryDirectory("machine-open"), "stores");
  const before = await openStores(directory, true);
  const { first, durable } = before.machine.dig.chunks.store([rigChunk("a"), rigChunk("b")]);
  await durable;
  await before.close();
  const after = await openStores(directory, false);
  assert.is(after.machine.dig.chunks.nextNumber(), first);
  assert.throws(
    () => after.machine.dig.chunks.read(first),
    (error: unknown) => isRainbowError(error, "NOT_FOUND"),
  );
  await after.close();
});

test.run();
