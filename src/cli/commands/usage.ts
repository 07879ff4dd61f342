/** rainbow usage: which folders are large, and what grew since an instant. */
import { EXIT } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { word } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { formatBytes, formatCount, nameForPeople } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { instantOption, pathAt } from "../paths.ts";

interface Options {
  readonly since?: string;
}
interface Folder {
  readonly path: ByteString;
  readonly bytes: number;
  readonly nodeCount: number;
}

const SHOWN = 20;
const COMPARED = 10_000;

export const command: CommandFile<Options> = {
  declare: (self) => self.option("--since <instant>", "sort by what grew since then: 7d, yesterday, a snapshot"),
  run: async (invocation, words, options) => {
    const operations = await invocation.operations();
    const path = word(words, 0);
    const places = path === undefined ? (await operations.roots()).map((root) => root.path) : [(await pathAt(invocation, path, undefined)).path];
    for (const place of places) await showPlace(invocation, place, options.since);
    return EXIT.ok;
  },
};

async function showPlace(invocation: Invocation, path: ByteString, since: string | undefined): Promise<void> {
  const { report } = invocation;
  const operations = await invocation.operations();
  const now = await operations.largest({ path, maxCount: since === undefined ? SHOWN : COMPARED, at: { kind: "now" } });
  const before = since === undefined ? [] : await operations.largest({ path, maxCount: COMPARED, at: instantOption(invocation, since) });
  const bytesBefore = new Map(before.map((folder) => [folder.path, folder.bytes]));
  const grownBytes = (folder: Folder): number => folder.bytes - (bytesBefore.get(folder.path) ?? 0);
  const sorted = since === undefined ? now : now.toSorted((a, b) => grownBytes(b) - grownBytes(a)).slice(0, SHOWN);
  for (const folder of sorted) {
    await report.json({ type: "usage", ...folder, ...(since === undefined ? {} : { grownBytes: grownBytes(folder) }) });
    const grown = since === undefined ? "" : `${grownBytes(folder) < 0 ? "-" : "+"}${formatBytes(Math.abs(grownBytes(folder)))}`.padStart(12);
    await report.data(`${formatBytes(folder.bytes).padStart(11)}${grown}  ${formatCount(folder.nodeCount).padStart(9)} files  ${nameForPeople(folder.path)}`);
  }
}
