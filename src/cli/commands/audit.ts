/** rainbow audit: who wrote, read, restored and changed what, and when; and the proof that the stored history is whole. */
import type { AuditItem, AuditRequest, Operations, VerifiedItem } from "../../app/index.ts";
import { byteStringOfText, EXIT, RainbowError } from "../../core/index.ts";
import { collect, wordList } from "../command.ts";
import type { CommandFile } from "../command.ts";
import { countOption } from "../counts.ts";
import { nameForPeople, originsText, plural } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";
import { instantOption, placeOf } from "../paths.ts";

interface Options {
  readonly since?: string;
  readonly until?: string;
  readonly who?: string;
  readonly what?: readonly string[];
  readonly machine?: string;
  readonly follow?: boolean;
  readonly limit?: string;
  readonly verify?: boolean;
  readonly head?: string;
}

const ROOT = byteStringOfText("/"); // Of the machine: a mirror has other instants.
const COUNT_DEFAULT = 1000;
const FOLLOWED_DEFAULT = 10;
const HELP = `
Kinds are write (what became of files), read, restore, undelete, snapshot, drop, policy, rebase, purge, protect, release, pause,
repair (what people asked for), enrol, start, gap (facts of the machine), and refused (whatever was).`;

export const command: CommandFile<Options> = {
  declare: (self) =>
    self
      .option("--since <instant>", "what happened from then on: 2h, yesterday, a date, a snapshot")
      .option("--until <instant>", "what happened up to then")
      .option("--who <user>", "by this user (name or number) or process")
      .option("--what <kinds>", "of these kinds alone, as restore,policy; may be given more than once", collectKinds)
      .option("--machine <machine>", "of this machine, by label or UUID; with --verify and 'audit head' too, on a server that many share")
      .option("-f, --follow", "go on with what happens")
      .option("-n, --limit <count>", `at most so many (default: the newest ${COUNT_DEFAULT}, with --follow ${FOLLOWED_DEFAULT} of before)`)
      .option("--verify", "prove that nothing that is stored was altered, removed or put in")
      .option("--head <head>", "with --verify: and that it goes on from what 'audit head' printed once")
      .addHelpText("after", HELP),
  run: async (invocation, words, options) => {
    const paths = wordList(words, 0);
    if (options.head !== undefined && options.verify !== true) throw new RainbowError("USAGE", "--head belongs to 'audit --verify'");
    if (options.verify === true && paths.length > 0) throw new RainbowError("USAGE", "audit --verify walks everything: it takes no paths");
    if (options.verify === true) return await verify(invocation, { head: options.head, machine: options.machine });
    if (paths.length === 1 && paths[0] === "head") return await printHeads(invocation, { machine: options.machine });
    return await list(invocation, paths, options);
  },
};

/** The heads in one line, for a place where nobody who can change the store can change them. */
async function printHeads(invocation: Invocation, request: { readonly machine: string | undefined }): Promise<number> {
  const { report, context, dataDirectory } = invocation;
  const running = await invocation.running();
  const heads = running === undefined ? await context.machine.storedHeads({ ...request, dataDirectory, signal: context.signal }) : await running.heads(request);
  await report.json({ type: "heads", head: heads });
  await report.data(heads);
  return EXIT.ok;
}

/** 30 where history was changed, 1 where a head is too old to be proven. */
async function verify(invocation: Invocation, request: { readonly head: string | undefined; readonly machine: string | undefined }): Promise<number> {
  const { report, context, dataDirectory } = invocation;
  const running = await invocation.running();
  const { signal } = context;
  const items = running === undefined ? context.machine.verifyEvents({ ...request, dataDirectory, signal }) : running.verify(request, signal);
  let [brokenCount, unprovenCount] = [0, 0];
  for await (const item of items) {
    if (item.type === "progress") {
      await report.progress.show(item);
      continue;
    }
    await report.json(item);
    if (item.type === "verified") await report.line(verifiedText(item));
    else if (item.type === "broken") brokenCount++;
    else unprovenCount++;
    if (item.type === "broken") await report.data(`${item.stream === "" ? "" : `${item.stream}  r${item.revision}: `}${item.why}`);
    if (item.type === "unproven") await report.data(`${item.head}: ${item.why}`);
  }
  if (signal.aborted) return EXIT.interrupted;
  await report.progress.clear();
  await report.json({ type: "summary", brokenCount, unprovenCount });
  if (brokenCount > 0) await report.line("history is not what was written");
  else if (unprovenCount === 0)
    await report.line(request.head === undefined ? "history is whole" : "history is whole, and goes on from the head that was kept");
  return brokenCount > 0 ? EXIT.damaged : unprovenCount > 0 ? EXIT.differs : EXIT.ok;
}

function verifiedText({ stream, start, revision, batchCount, eventCount }: VerifiedItem): string {
  const from = start.revision < 0 ? "r0" : `r${start.revision + 1} (older events were let go)`;
  return `${stream}: ${from} to r${revision}, ${plural(eventCount, "event")} in ${plural(batchCount, "batch", "batches")}`;
}

function collectKinds(value: string, before: readonly string[] | undefined): readonly string[] {
  return value.split(",").reduce((kinds: readonly string[], kind) => collect(kind, kinds), before ?? []);
}

async function list(invocation: Invocation, paths: readonly string[], options: Options): Promise<number> {
  const { report, context } = invocation;
  const isFollowing = options.follow === true;
  const operations = await (isFollowing ? invocation.needRunning() : invocation.operations());
  const maxCount = countOption("--limit", options.limit, isFollowing ? FOLLOWED_DEFAULT : COUNT_DEFAULT);
  const request: AuditRequest = {
    paths: await Promise.all(paths.map((path) => placeOf(invocation, path))),
    sinceUs: await timeOf(invocation, operations, options.since),
    untilUs: await timeOf(invocation, operations, options.until),
    who: options.who,
    what: options.what ?? [],
    machine: options.machine,
    follow: isFollowing,
    maxCount,
  };
  let count = 0;
  for await (const item of operations.audit(request, context.signal)) {
    count++;
    await report.json(item);
    await report.data(lineOf(item, context.zone));
    if (isFollowing) await report.flush();
  }
  if (count === 0 && !isFollowing) await report.say("nothing of that kind is known");
  else if (count === maxCount && !isFollowing) await report.say(`the newest ${count}; --limit shows more, --until goes back`);
  return count === 0 && !isFollowing ? EXIT.differs : EXIT.ok;
}

/** An instant's time: a snapshot and a revision have the time that they stand for. */
async function timeOf(invocation: Invocation, operations: Operations, words: string | undefined): Promise<number | undefined> {
  if (words === undefined) return undefined;
  const at = instantOption(invocation, words);
  if (at.kind === "time") return at.us;
  if (at.kind === "now") return invocation.context.clock.now();
  return (await operations.instant({ path: ROOT, at })).timeUs;
}

/** `2026-05-01 17:00:00.123 +08:00  restore   done     alice            /home/a (as of r4821)  to '/tmp/x': 3 created` */
function lineOf(item: AuditItem, zone: string): string {
  const when = formatMoment(item.timeUs, zone);
  const result = item.source === "recorded" ? `r${item.revision}` : item.result;
  const paths = item.paths.map(nameForPeople).join(", ");
  const asOf = item.asOfRevision === undefined ? "" : `(r${item.asOfRevision})`;
  const code = item.code === "" ? "" : `[${item.code}]`;
  const what = [paths, asOf, nameForPeople(byteStringOfText(item.detail)), code].filter((text) => text !== "").join("  ");
  return `${when}  ${item.kind.padEnd(9)} ${result.padEnd(9)} ${whoText(item).padEnd(12)} ${what}${originsText(item.processes)}`;
}

/** `alice`, `root (login 1000)`; `-` where nobody is known. */
function whoText({ who }: AuditItem): string {
  if (who === undefined) return "-";
  const name = who.user === "" ? `uid ${who.uid}` : nameForPeople(byteStringOfText(who.user));
  return who.loginUid === -1 || who.loginUid === who.uid ? name : `${name} (login ${who.loginUid})`;
}
