/** Runs churn on a thread of its own, so that it races with capture for real. Messages: a count of operations in, "done" out. */
import { parentPort, workerData } from "node:worker_threads";
import { openOs } from "../../src/app/os/index.ts";
import { Churn } from "./file-churn.ts";
import { seededRandom } from "./random.ts";

const { root, outside, seed } = workerData as { readonly root: string; readonly outside: string; readonly seed: number };
const churn = new Churn({ root, outside, os: openOs(), random: seededRandom(seed) });
parentPort?.on("message", (operationCount: number) => {
  churn.run(operationCount);
  parentPort?.postMessage("done");
});
