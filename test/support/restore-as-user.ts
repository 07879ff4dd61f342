/** node restore-as-user.ts FROM TO: takes a view of FROM as root, becomes nobody, restores to TO, and prints what was told as JSON. */
import { openOs } from "../../src/app/os/index.ts";
import { bytePath } from "./compare-trees.ts";
import { viewOf } from "./fake-view.ts";
import { requestOf, runRestore, told } from "./restore-run.ts";

const NOBODY = 65534;
const [from, to] = process.argv.slice(2).map(bytePath);
if (from === undefined || to === undefined) throw new Error("two paths are needed");
const os = openOs();
const source = viewOf(os, from);
process.setgroups?.([]);
process.setgid?.(NOBODY);
process.setuid?.(NOBODY);
const { items } = await runRestore(requestOf(os, source, to));
console.log(JSON.stringify(told(items, to)));
