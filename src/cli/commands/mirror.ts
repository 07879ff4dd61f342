/** rainbow mirror: modules of rsync servers, kept in a bucket or a directory. */
import type { MirrorEntry, Operations } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import { word, wordList } from "../command.ts";
import { countOption } from "../counts.ts";
import { argumentBytes, nameForPeople, plural } from "../format/index.ts";
import type { Invocation } from "../invocation.ts";
import { declareMirrorOptions, familyOf, filterLines, mirrorWords, wholeNumber } from "../mirror-options.ts";
import type { MirrorOptionWords } from "../mirror-options.ts";
import { MirrorProgressLine } from "../mirror-progress.ts";
import { listedLine, reportSync, statusLines } from "../mirror-report.ts";
import { settingsText } from "../mirror-settings.ts";
import { checkText, recoveryText, scrubText, SyncLines } from "../mirror-words.ts";
import { absolutePath } from "../paths.ts";

const HELP = `
  mirror add rsync://[user@]host[:port]/module[/path] DIR|s3://bucket[/prefix]   define one; 's3://' alone: a bucket for the module
  mirror set NAME [options]       change what is given
  mirror list                     those that are defined
  mirror sync [NAME...]           sync now (all where none is named), and wait for it; options hold for this time
  mirror trigger NAME             have the running host sync it soon
  mirror status [NAME...]         when it was updated, what it has, why deletes are held
  mirror log NAME                 its syncs, the newest first
  mirror list-only SOURCE|NAME    what the server has; of a server alone, its modules
  mirror check NAME               the file list against what is stored, and against the server
  mirror scrub NAME               read back what was made of stored blocks, and hold it to the server's digest
  mirror recover NAME             make the file list anew from what is stored
  mirror settle NAME              write modes and times that changed alone, and late digests, to a bucket's objects
  mirror forget NAME PATH...      have the next sync fetch these anew
  mirror remove NAME              forget it; what it stored stays
'ls', 'cat', 'log', 'diff', 'find' and 'restore' take mirror:NAME/PATH@INSTANT. How each option compares with rsync's: src/rsync/OPTIONS.md.`;

const CONNECT_MS = 60_000; // As a sync has them.
const SILENCE_MS = 300_000;
const LOG_COUNT = 20;

export const command: CommandFile<MirrorOptionWords> = {
  declare: (self) => {
    declareMirrorOptions(self);
    self.addHelpText("after", HELP);
  },
  run: async (invocation, words, options) => {
    const action = word(words, 0) ?? "";
    const names = wordList(words, 1);
    const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (run === undefined) throw new RainbowError("USAGE", `there is no 'mirror ${action}'; it is one of ${Object.keys(ACTIONS).join(", ")}`);
    return await run(invocation, names, options);
  },
};

type Action = (invocation: Invocation, names: readonly string[], options: MirrorOptionWords) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = {
  add,
  set,
  list,
  sync,
  trigger,
  status,
  log,
  "list-only": listOnly,
  check,
  scrub,
  recover,
  settle,
  forget,
  remove,
};

async function add(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const [source, target] = exactly(names, 2, "mirror add SOURCE TARGET");
  const { report } = invocation;
  const words = mirrorWords(invocation, options);
  const operations = await invocation.operations({ create: true });
  const entry = await operations.mirrorAdd({ source: source!, target: targetWord(invocation, target!), name: options.name, words });
  await reportEntry(invocation, entry);
  const isHosted = invocation.isAnsweredByRunning && (entry.settings.everyMs ?? 0) > 0;
  await report.say(isHosted ? "its first sync begins now" : `'${invocation.hint(`mirror sync ${entry.name}`)}' fetches it`);
  return EXIT.ok;
}

/** A directory is relative to where the user stands; a bucket is an address. */
function targetWord({ context }: Invocation, text: string): string {
  if (text.startsWith("s3:")) return text;
  const path = Buffer.from(absolutePath(text, context.cwd), "latin1").toString("utf8");
  if (!path.includes("\ufffd")) return path;
  throw new RainbowError("USAGE", "the target's path is no UTF-8: the paths in it may be anything, its own must be text");
}

async function set(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const [name] = exactly(names, 1, "mirror set NAME [options]");
  const words = mirrorWords(invocation, options);
  const acceptsTarget = options.acceptTarget === true;
  if (Object.keys(words).length === 0 && !acceptsTarget)
    throw new RainbowError("USAGE", "'mirror set' takes the options to be changed, as in 'mirror set debian --every 6h'");
  await reportEntry(invocation, await (await invocation.operations()).mirrorSet({ name: name!, words, acceptsTarget }));
  return EXIT.ok;
}

async function list(invocation: Invocation, names: readonly string[]): Promise<number> {
  exactly(names, 0, "mirror list");
  const entries = await (await invocation.operations()).mirrors();
  for (const entry of entries) await reportEntry(invocation, entry);
  if (entries.length === 0) await invocation.report.say(`no mirror yet; '${invocation.hint("mirror add SOURCE TARGET")}' defines one`);
  return EXIT.ok;
}

async function reportEntry({ report }: Invocation, entry: MirrorEntry): Promise<void> {
  await report.json({ type: "mirror", ...entry });
  await report.data([entry.name, entry.source, entry.target, settingsText(entry.settings)].join("  ").trimEnd());
}

async function sync(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const words = mirrorWords(invocation, options);
  const operations = await invocation.operations();
  const showsEach = options.verbose === true || options.progress === true || options.dryRun === true;
  const password = invocation.isAnsweredByRunning ? invocation.context.machine.rsyncPassword() : undefined; // Here it is found by itself.
  const request = { names, words, dryRun: options.dryRun === true, showsEach, password };
  const items = operations.mirrorSync(request, invocation.context.signal);
  return await reportSync(invocation, items, { isDry: request.dryRun, isPrefixed: names.length !== 1 });
}

async function trigger(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name] = exactly(names, 1, "mirror trigger NAME");
  await (await invocation.needRunning()).mirrorTrigger({ name: name! });
  await invocation.report.json({ type: "triggered", name });
  await invocation.report.line(`${name} syncs as soon as it can; '${invocation.hint(`mirror status ${name}`)}' shows it`);
  return EXIT.ok;
}

async function status(invocation: Invocation, names: readonly string[]): Promise<number> {
  const { report } = invocation;
  const all = await (await invocation.operations()).mirrorStatus({ names });
  for (const each of all) {
    await report.json({ type: "mirror-status", ...each });
    for (const line of statusLines(each, invocation)) await report.data(line);
    if (each.failure !== "" || each.heldBecause !== "" || each.alarms.length > 0) await report.incompleteBecause(`${each.name} needs a look`);
  }
  if (all.length === 0) await report.say(`no mirror yet; '${invocation.hint("mirror add SOURCE TARGET")}' defines one`);
  return EXIT.ok;
}

async function log(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const [name] = exactly(names, 1, "mirror log NAME");
  const { report, context } = invocation;
  const maxCount = countOption("--number", options.number, LOG_COUNT);
  const operations = await invocation.operations();
  const lines = new SyncLines(context.zone);
  let left = report.isJson ? Infinity : maxCount; // Of a sync there are two items, and one line.
  const put = async (texts: readonly string[]): Promise<void> => {
    for (const text of texts) if (left-- > 0) await report.data(text);
  };
  for await (const item of operations.mirrorLog({ name: name!, maxCount: report.isJson ? maxCount : 2 * maxCount }, context.signal)) {
    await report.json(item);
    await put(lines.add(item));
    if (left <= 0) break;
  }
  await put(lines.rest());
  return EXIT.ok;
}

async function listOnly(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const [what] = exactly(names, 1, "mirror list-only SOURCE|NAME");
  const { report, context } = invocation;
  const isAddress = what!.includes(":");
  const known = isAddress ? undefined : (await (await invocation.operations()).mirrorStatus({ names: [what!] }))[0];
  const { timeout, contimeout, protocol, address, passwordFile, loginDigest } = options;
  const own = known?.settings;
  const items = context.machine.listRsync({
    source: known?.source ?? what!,
    isRecursive: options.recursive === true,
    filterLines: filterLines(invocation, options.filters ?? []),
    timeouts: {
      connectMs: contimeout === undefined ? CONNECT_MS : countOption("--contimeout", contimeout, 0) * 1000,
      silenceMs: timeout === undefined ? SILENCE_MS : wholeNumber("--timeout", timeout) * 1000,
    },
    family: familyOf(options) ?? own?.family,
    localAddress: address ?? own?.localAddress,
    protocolMax: protocol === undefined ? undefined : wholeNumber("--protocol", protocol),
    passwordFile: passwordFile === undefined ? own?.passwordFile : Buffer.from(absolutePath(passwordFile, context.cwd), "latin1").toString(),
    loginDigest: loginDigest ?? own?.loginDigest,
    signal: context.signal,
  });
  for await (const item of items) {
    await report.json(item);
    if (item.type === "message") await report.say(item.text.trimEnd());
    else if (item.type === "module") await report.data(`${item.name.padEnd(15)}\t${item.comment}`);
    else if (item.type === "incomplete") await report.incompleteBecause(`the list is not whole: ${item.why}`);
    else await report.data(listedLine(item, context.zone));
  }
  return EXIT.ok;
}

async function check(invocation: Invocation, names: readonly string[], options: MirrorOptionWords): Promise<number> {
  const [name] = exactly(names, 1, "mirror check NAME");
  const { report, context } = invocation;
  const operations = await invocation.operations();
  const request = { name: name!, readData: options.readData === true, mends: options.mend === true };
  const progress = new MirrorProgressLine(invocation);
  const faults = new Map<string, number>();
  let exitCode: number = EXIT.ok;
  for await (const item of operations.mirrorCheck(request, context.signal)) {
    if (item.type === "mirror-progress") {
      await progress.show(item);
      continue;
    }
    await report.json(item);
    if (item.type === "summary") {
      await report.line(`${name}: ${checkText(item.counts, faults, request.readData)}`);
      continue;
    }
    faults.set(item.what, (faults.get(item.what) ?? 0) + 1);
    exitCode = Math.max(exitCode, ["attributes", "foreign"].includes(item.what) ? EXIT.differs : EXIT.damaged);
    await report.data(`${item.what.padEnd(10)}  ${nameForPeople(item.path)}${item.detail === "" ? "" : `  (${item.detail})`}`);
  }
  await report.progress.clear();
  if (context.signal.aborted) return context.interruptedExitCode();
  if (options.source === false) return exitCode;
  return Math.max(exitCode, await compareWithSource(invocation, operations, name!));
}

async function scrub(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name] = exactly(names, 1, "mirror scrub NAME");
  const { report, context } = invocation;
  const progress = new MirrorProgressLine(invocation);
  let exitCode: number = EXIT.ok;
  for await (const item of (await invocation.operations()).mirrorScrub({ name: name! }, context.signal)) {
    if (item.type === "mirror-progress") {
      await progress.show(item);
      continue;
    }
    await report.json(item);
    if (item.type === "summary") {
      await report.line(`${name}: ${scrubText(item.counts)}`);
      continue;
    }
    exitCode = EXIT.damaged;
    await report.data(`${item.what.padEnd(10)}  ${nameForPeople(item.path)}  (${item.detail})`);
  }
  await report.progress.clear();
  return context.signal.aborted ? context.interruptedExitCode() : exitCode;
}

/** What a sync would do is what differs. */
async function compareWithSource(invocation: Invocation, operations: Operations, name: string): Promise<number> {
  let differenceCount = 0;
  const password = invocation.isAnsweredByRunning ? invocation.context.machine.rsyncPassword() : undefined;
  const counted = async function* (): ReturnType<typeof operations.mirrorSync> {
    const items = operations.mirrorSync({ names: [name], words: {}, dryRun: true, showsEach: true, password }, invocation.context.signal);
    for await (const item of items) {
      if (item.type === "mirror-item" && item.what !== "skipped") differenceCount++;
      yield item;
    }
  };
  const exitCode = await reportSync(invocation, counted(), { isDry: true, isPrefixed: false });
  if (exitCode !== EXIT.ok) return exitCode; // It could not be asked, and has said why.
  await invocation.report.line(`${name}: ${differenceCount === 0 ? "as upstream has it" : `${plural(differenceCount, "name")} differ from upstream`}`);
  return differenceCount === 0 ? EXIT.ok : EXIT.differs;
}

async function recover(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name] = exactly(names, 1, "mirror recover NAME");
  const { report, context } = invocation;
  const progress = new MirrorProgressLine(invocation);
  for await (const item of (await invocation.operations()).mirrorRecover({ name: name! }, context.signal)) {
    if (item.type === "mirror-progress") {
      await progress.show(item);
      continue;
    }
    await report.json(item);
    if (item.type === "summary") await report.line(`${name}: ${recoveryText(item.counts)}`);
    else await report.line(`${item.what.padEnd(10)}  ${nameForPeople(item.path)}`);
  }
  await report.progress.clear();
  return context.signal.aborted ? context.interruptedExitCode() : EXIT.ok;
}

async function settle(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name] = exactly(names, 1, "mirror settle NAME");
  const count = await (await invocation.operations()).mirrorSettle({ name: name! });
  await invocation.report.json({ type: "settled", name, count });
  await invocation.report.line(`${name}: ${count === 0 ? "nothing was late" : `${plural(count, "object")} ${count === 1 ? "was" : "were"} described anew`}`);
  return EXIT.ok;
}

async function forget(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name, ...paths] = names;
  if (name === undefined || paths.length === 0) throw new RainbowError("USAGE", "write 'mirror forget NAME PATH...', with paths from the mirror's top");
  const request = { name, paths: paths.map((path) => argumentBytes(path.replace(/^\/+|\/+$/g, ""))) };
  await (await invocation.operations()).mirrorForget(request);
  await invocation.report.json({ type: "forgotten", ...request });
  await invocation.report.line(`the next sync of ${name} fetches ${plural(paths.length, "path")} anew`);
  return EXIT.ok;
}

async function remove(invocation: Invocation, names: readonly string[]): Promise<number> {
  const [name] = exactly(names, 1, "mirror remove NAME");
  const operations = await invocation.operations();
  const [entry] = await operations.mirrorStatus({ names: [name!] });
  await operations.mirrorRemove({ name: name! });
  await invocation.report.json({ type: "removed", name });
  await invocation.report.line(`${name} is no mirror any more, and its history is gone; what it stored stays in ${entry!.target}`);
  return EXIT.ok;
}

function exactly(names: readonly string[], count: number, usage: string): readonly string[] {
  if (names.length === count) return names;
  throw new RainbowError("USAGE", `write '${usage}'`);
}
