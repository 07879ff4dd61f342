/** The policy as people set it: for all folders of a data directory, and refused with reasons for one of them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { POLICY_WORDS } from "../../../src/actors/retention/index.ts";
import type { Operations } from "../../../src/app/index.ts";
import { PROTECTED, rainbow } from "./fake-context.ts";

const test = suite("policy command");

test("it is shown and set for all folders", async () => {
  const asked: unknown[] = [];
  const policy: Operations["policy"] = async () => ({ values: { keep: 30 * 86_400e6, daily: 7 }, jumps: [] });
  const setPolicy: Operations["setPolicy"] = async ({ words }) => {
    asked.push(words);
    return policy();
  };
  assert.match((await rainbow(["policy"], { operations: { policy } })).stdout, /^keep +30 d\ndaily +7\n$/);
  assert.is((await rainbow(["policy", "set", "keep=30d"], { operations: { setPolicy } })).exitCode, 0);
  assert.equal(asked, [["keep=30d"]]);
});

test("a guard that is longer than the window is told, with what it does", async () => {
  const policy: Operations["policy"] = async () => ({ values: { window: 2 * 86_400e6, guard: 7 * 86_400e6 }, jumps: [] });
  assert.match((await rainbow(["policy"], { operations: { policy } })).stderr, /the guard of 7 d is longer than the window.*'policy set guard=…'/);
  const asked: unknown[] = [];
  const setPolicy: Operations["setPolicy"] = async (request) => {
    asked.push(request);
    return policy();
  };
  assert.match((await rainbow(["policy", "set", "window=2d", "--mirror", "m"], { operations: { setPolicy } })).stderr, /guard=… --mirror m'/);
  assert.equal(asked, [{ words: ["window=2d"], acceptTime: false, mirror: "m" }]);
});

test("for one folder it is refused, each word with its reason, and with what helps", async () => {
  for (const word of Object.keys(POLICY_WORDS)) {
    const answer = await rainbow(["policy", "set", "--root", ".", `${word}=7`]);
    assert.is(answer.exitCode, 2);
    assert.match(answer.stderr, new RegExp(`\\(${word}: [a-z].*--data-dir ANOTHER up ${PROTECTED} \\[UNSUPPORTED\\]`));
  }
  assert.match((await rainbow(["policy", "set", "--root", ".", "forever=1"])).stderr, /'forever' is no word of a policy.*\[USAGE\]/);
  assert.match((await rainbow(["policy", "--root", "."])).stderr, /a policy holds for all folders of a data directory\. A folder/);
});

test.run();
