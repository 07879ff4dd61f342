/** What `up` says: where the data lies, what is protected, what the initial backup found, and what can be asked now. */
import type { LeftOut, MirrorEntry, Operations, RootStatus, StatusAnswer } from "../app/index.ts";
import { byteStringOfText } from "../core/index.ts";
import { formatBytes, formatCount, formatSpan, nameForPeople, plural, shellWord } from "./format/index.ts";
import type { Invocation } from "./invocation.ts";
import { leftOutText } from "./left-out-words.ts";

const LARGEST_COUNT = 10;
const LEFT_OUT_SHOWN_MAX = 10;

export async function reportPlace(invocation: Invocation, roots: readonly RootStatus[], mirrors: readonly MirrorEntry[]): Promise<void> {
  const { report, dataDirectory, context } = invocation;
  await report.json({ type: "protecting", dataDirectory, paths: roots.map((root) => root.path), mirrors: mirrors.map(({ name }) => name) });
  await report.line(`data directory: ${dataDirectory}`);
  for (const root of roots) await report.line(`protects ${nameForPeople(root.path)}${root.firstScanDone ? "" : "; the initial backup begins"}`);
  for (const { name, source, target, settings } of mirrors) await report.line(`mirrors ${name}: ${source} to ${target}, ${everyText(settings.everyMs ?? 0)}`);
  for (const root of roots) {
    if (!(await context.machine.sharesDisk(byteStringOfText(dataDirectory), root.path))) continue;
    await report.warn(
      `the data directory lies on the same disk as ${nameForPeople(root.path)}: it helps against mistakes, not against the loss of that disk; --data-dir names another place`,
    );
    break; // Once is enough: the advice is the same for all.
  }
  await report.flush();
}

function everyText(everyMs: number): string {
  return everyMs === 0 ? "when it is asked for" : `every ${formatSpan(everyMs * 1000)}`;
}

export async function reportInitialBackup(invocation: Invocation, operations: Operations, root: RootStatus, tookUs: number): Promise<void> {
  const { report } = invocation;
  await report.progress.clear();
  const largest = await operations.largest({ path: root.path, maxCount: LARGEST_COUNT, at: { kind: "now" } });
  const leftOut = await operations.leftOut({ path: root.path });
  await report.json({ type: "initial-backup", path: root.path, nodeCount: root.nodeCount, bytes: root.bytes, seconds: tookUs / 1e6, largest, leftOut });
  await report.line(
    `the initial backup of ${nameForPeople(root.path)} is done: ${plural(root.nodeCount, "entry", "entries")}, ${formatBytes(root.bytes)}, after ${formatSpan(tookUs)}`,
  );
  if (largest.length > 0) await report.line("its largest folders:");
  for (const folder of largest)
    await report.line(`  ${formatBytes(folder.bytes).padStart(10)}  ${formatCount(folder.nodeCount).padStart(9)} entries  ${nameForPeople(folder.path)}`);
  await reportLeftOut(invocation, leftOut);
  await report.flush();
}

async function reportLeftOut(invocation: Invocation, leftOut: { readonly items: readonly LeftOut[]; readonly total: number }): Promise<void> {
  const { report } = invocation;
  if (leftOut.total === 0) return report.line("nothing was left out");
  await report.line(`left out (${plural(leftOut.total, "path")}):`);
  for (const item of leftOut.items.slice(0, LEFT_OUT_SHOWN_MAX)) await report.line(`  ${nameForPeople(item.path)}  ${leftOutText(item)}`);
  if (leftOut.total > LEFT_OUT_SHOWN_MAX) await report.line(`  … '${invocation.hint("excludes")}' lists them all`);
}

/** After the first report: how to keep it, and what can be asked. */
export async function reportHints(invocation: Invocation, status: StatusAnswer): Promise<void> {
  const { report } = invocation;
  const path = status.roots[0]?.path;
  if (path === undefined) return;
  for (const limit of status.limits) await report.say(`note: ${limit}`);
  const folder = shellWord(path);
  await report.say("");
  await report.say("Every change is kept from now on, until Ctrl-C. To keep it running after this terminal:");
  await report.say(`  ${invocation.hint("service install")}`);
  await report.say("In another terminal:");
  const hints = [
    [`log ${folder}/FILE`, "the versions of a file"],
    [`ls ${folder}@10m`, "as it was ten minutes ago"],
    [`diff ${folder}@10m`, "what changed since"],
    [`restore ${folder} --at 17:00 --to /tmp/as-of-five`, "bring it back"],
    ["deleted", "what was deleted, and when"],
  ] as const;
  const width = Math.max(...hints.map(([words]) => words.length));
  for (const [words, meaning] of hints) await report.say(`  ${invocation.hint(words.padEnd(width))}   ${meaning}`);
}
