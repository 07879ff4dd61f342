/** rainbow snapshots: the named instants; `drop NAME` gives one up. */
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { instantOption } from "../paths.ts";
import { reportDifferences } from "./diff.ts";

export const command: CommandFile = {
  run: async (invocation, [action, names]) => {
    const wanted = Array.isArray(names) ? names : [];
    if (action === undefined) return await list(invocation);
    if (action === "drop" && wanted.length > 0) return await drop(invocation, wanted);
    if (action === "diff" && wanted.length === 2) return await diff(invocation, wanted[0]!, wanted[1]!);
    throw new RainbowError("USAGE", "'snapshots' lists them, 'snapshots drop NAME' gives up what only NAME keeps, 'snapshots diff A B' compares two");
  },
};

async function list(invocation: Invocation): Promise<number> {
  const { report } = invocation;
  const snapshots = await (await invocation.operations()).snapshots();
  const width = Math.max(0, ...snapshots.map((snapshot) => snapshot.name.length));
  for (const snapshot of snapshots) {
    await report.json(snapshot);
    await report.data(`${snapshot.name.padEnd(width)}  ${report.moment(snapshot)}${snapshot.pinned ? "  pinned" : ""}`);
  }
  if (snapshots.length === 0) await report.say(`no snapshot yet; '${invocation.hint("snapshot NAME")}' takes one`);
  return EXIT.ok;
}

async function drop(invocation: Invocation, names: readonly string[]): Promise<number> {
  const operations = await invocation.operations();
  for (const name of names) {
    await operations.dropSnapshot({ name });
    await invocation.report.json({ type: "dropped", name });
    await invocation.report.line(`${name} is dropped; what only it kept goes with the next rebase`);
  }
  return EXIT.ok;
}

/** Folder by folder, as they are protected now. */
async function diff(invocation: Invocation, before: string, after: string): Promise<number> {
  const roots = await (await invocation.operations()).roots();
  const [at, otherAt] = [instantOption(invocation, before), instantOption(invocation, after)];
  return await reportDifferences(
    invocation,
    roots.map(({ path }) => ({ path, at, otherPath: path, otherAt, text: false })),
  );
}
