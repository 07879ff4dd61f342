/** The Os port's promises, for the addon and for plain Node, on every filesystem that this machine can mount. */
import { join } from "node:path";
import { chooseOs, openOs } from "../../src/app/os/index.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attributeCases } from "./os-cases/attributes.ts";
import { fileCases } from "./os-cases/files.ts";
import { listingCases } from "./os-cases/listings.ts";
import { nodeCases } from "./os-cases/nodes.ts";
import { placeIn } from "./os-cases/place.ts";
import { smallFileCases } from "./os-cases/small-files.ts";

const ALL_CASES = { ...nodeCases, ...listingCases, ...attributeCases, ...fileCases, ...smallFileCases };
const native = chooseOs();

const choice = suite("os: choice");
choice("plain Node says what it lacks, the addon lacks nothing", () => {
  assert.ok(openOs({ only: "node" }).lacks.length > 0);
  if (native.os.source === "node") return skipped("os: addon", native.reason);
  assert.equal(native.os.lacks, []);
  assert.is(native.reason, "");
});
choice.run();

for (const type of ["temporary", "ext4", "xfs", "btrfs"] as const) {
  const mounted = type === "temporary" ? { path: temporaryDirectory("os"), uuid: "" } : loopFilesystem(type, 256);
  if (typeof mounted === "string") {
    const absent = suite(`os: ${type}`);
    absent("is tested", () => skipped(`os on ${type}`, mounted));
    absent.run();
    continue;
  }
  for (const os of native.os.source === "native" ? [native.os, openOs({ only: "node" })] : [native.os]) {
    const place = placeIn(join(mounted.path, os.source), os, type === "temporary" ? undefined : { type, ...mounted });
    const cases = suite(`os: ${os.source} on ${type}`);
    for (const [name, test] of Object.entries(ALL_CASES)) cases(name, () => test(place));
    cases.run();
  }
}
