/** rainbow snapshots: the named instants, of the folders and of each mirror; `drop NAME` gives one up. */
import { EXIT, RainbowError } from "../../core/index.ts";
import type { SnapshotEntry } from "../../app/index.ts";
import { MIRROR_OPTION } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { argumentBytes } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { instantOption } from "../paths.ts";
import { reportDifferences } from "./diff.ts";
import { snapshotName } from "./snapshot.ts";

interface Options {
  readonly mirror?: string;
}

export const command: CommandFile<Options> = {
  declare: (self) => self.option(...MIRROR_OPTION),
  run: async (invocation, [action, names], { mirror }) => {
    const wanted = Array.isArray(names) ? names : [];
    if (action === undefined) return await list(invocation, mirror);
    if (action === "drop" && wanted.length > 0) return await drop(invocation, wanted, mirror);
    if (action === "diff" && wanted.length === 2) return await diff(invocation, wanted[0]!, wanted[1]!, mirror);
    throw new RainbowError("USAGE", "'snapshots' lists them, 'snapshots drop NAME' gives up what only NAME keeps, 'snapshots diff A B' compares two");
  },
};

async function list(invocation: Invocation, mirror: string | undefined): Promise<number> {
  const { report } = invocation;
  const found = await allOf(invocation, mirror);
  const width = Math.max(0, ...found.map(({ snapshot, of }) => snapshotName(snapshot, of).length));
  for (const { snapshot, of } of found) {
    await report.json({ ...snapshot, mirror: of });
    await report.data(`${snapshotName(snapshot, of).padEnd(width)}  ${report.moment(snapshot)}${snapshot.pinned ? "  pinned" : ""}`);
  }
  if (found.length === 0)
    await report.say(`no snapshot yet; '${invocation.hint(`snapshot NAME${mirror === undefined ? "" : ` --mirror ${mirror}`}`)}' takes one`);
  return EXIT.ok;
}

/** Of one mirror, or of the folders and then of every mirror. */
async function allOf(invocation: Invocation, mirror: string | undefined): Promise<{ readonly snapshot: SnapshotEntry; readonly of: string | undefined }[]> {
  const operations = await invocation.operations();
  const owners = mirror === undefined ? [undefined, ...(await operations.mirrors()).map(({ name }) => name)] : [mirror];
  const found = [];
  for (const of of owners) for (const snapshot of await operations.snapshots({ mirror: of })) found.push({ snapshot, of });
  return found;
}

async function drop(invocation: Invocation, names: readonly string[], mirror: string | undefined): Promise<number> {
  const operations = await invocation.operations();
  for (const name of names) {
    await operations.dropSnapshot({ name, mirror });
    await invocation.report.json({ type: "dropped", name, mirror });
    await invocation.report.line(`${snapshotName({ name }, mirror)} is dropped; what only it kept goes with the next rebase`);
  }
  return EXIT.ok;
}

/** Folder by folder, as they are protected now; or of all that a mirror has. */
async function diff(invocation: Invocation, before: string, after: string, mirror: string | undefined): Promise<number> {
  const operations = await invocation.operations();
  const paths = mirror === undefined ? (await operations.roots()).map(({ path }) => path) : [argumentBytes(`mirror:${mirror}`)];
  const [at, otherAt] = [instantOption(invocation, before), instantOption(invocation, after)];
  return await reportDifferences(
    invocation,
    paths.map((path) => ({ path, at, otherPath: path, otherAt, text: false })),
  );
}
