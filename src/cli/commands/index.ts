/** The table of commands, for help and completion; each command's file is loaded when it is called. */
import type { CommandFile } from "../command.ts";

export interface CommandEntry {
  /** Name and arguments as commander reads them. */
  readonly usage: string;
  readonly group: string;
  readonly summary: string;
  load(): Promise<{ readonly command: CommandFile<never> }>;
}

const PROTECT = "Protect:";
const READ = "Look back:";
const RESTORE = "Bring back:";
const MIRROR = "Mirrors:";
const STORE = "The store:";

export const COMMANDS: readonly CommandEntry[] = [
  { usage: "up [dir...]", group: PROTECT, summary: "protect the folders, in the foreground (without DIR: those known)", load: () => import("./up.ts") },
  { usage: "add <dir...>", group: PROTECT, summary: "protect one more folder, from now on or from the next 'up'", load: () => import("./add.ts") },
  { usage: "remove <dir...>", group: PROTECT, summary: "stop protecting a folder; its history stays", load: () => import("./remove.ts") },
  { usage: "roots", group: PROTECT, summary: "list the protected folders", load: () => import("./roots.ts") },
  { usage: "status", group: PROTECT, summary: "whether it runs, and how it does", load: () => import("./status.ts") },
  { usage: "flush", group: PROTECT, summary: "wait until all that happened before is durable and can be restored", load: () => import("./flush.ts") },
  { usage: "pause", group: PROTECT, summary: "stop capturing for a while (recorded as a gap)", load: () => import("./pause.ts") },
  { usage: "resume", group: PROTECT, summary: "go on capturing", load: () => import("./resume.ts") },
  { usage: "excludes [path]", group: PROTECT, summary: "what is left out, and by which rule", load: () => import("./excludes.ts") },
  {
    usage: "config [action]",
    group: PROTECT,
    summary: "what the configuration file says ('config check': whether it is right)",
    load: () => import("./config.ts"),
  },
  { usage: "service <action>", group: PROTECT, summary: "'service install': a systemd unit that keeps it running", load: () => import("./service.ts") },
  { usage: "ls [path...]", group: READ, summary: "list a folder or a file", load: () => import("./ls.ts") },
  { usage: "tree [path]", group: READ, summary: "list a folder with all below it", load: () => import("./tree.ts") },
  { usage: "cat <path...>", group: READ, summary: "print a file's content", load: () => import("./cat.ts") },
  { usage: "find <pattern> [path]", group: READ, summary: "find names by a pattern such as '*.txt'", load: () => import("./find.ts") },
  { usage: "log <path>", group: READ, summary: "each version of a file or folder: when, how big, what changed", load: () => import("./log.ts") },
  { usage: "diff <path> [other]", group: READ, summary: "what differs between two instants, or from now", load: () => import("./diff.ts") },
  { usage: "deleted [path]", group: READ, summary: "what was deleted and when, newest first", load: () => import("./deleted.ts") },
  {
    usage: "snapshots [action] [name...]",
    group: READ,
    summary: "list the named instants; 'snapshots drop NAME', 'snapshots diff A B'",
    load: () => import("./snapshots.ts"),
  },
  { usage: "snapshot <name>", group: READ, summary: "give an instant a name", load: () => import("./snapshot.ts") },
  { usage: "restore <path>", group: RESTORE, summary: "bring back a file or a folder, with all metadata", load: () => import("./restore.ts") },
  { usage: "undelete <path>", group: RESTORE, summary: "bring back what was deleted, never over an existing file", load: () => import("./undelete.ts") },
  {
    usage: "mirror <action> [words...]",
    group: MIRROR,
    summary: "modules of rsync servers in a bucket or a directory: add, sync, trigger, list-only, status, log, check, recover, forget",
    load: () => import("./mirror.ts"),
  },
  { usage: "usage [path]", group: READ, summary: "which folders are large, and what grew since (--since 7d)", load: () => import("./usage.ts") },
  {
    usage: "policy [action] [words...]",
    group: STORE,
    summary: "what is kept and for how long; 'policy set keep=90d daily=7'",
    load: () => import("./policy.ts"),
  },
  { usage: "retention", group: STORE, summary: "what the policy lets go, before it does (--simulate)", load: () => import("./retention.ts") },
  { usage: "rebase", group: STORE, summary: "give up old instants and the space that only they needed", load: () => import("./rebase.ts") },
  {
    usage: "purge <path...>",
    group: STORE,
    summary: "remove the content of files from all of history; names stay until they leave it",
    load: () => import("./purge.ts"),
  },
  {
    usage: "audit [path...]",
    group: STORE,
    summary: "who wrote, read, restored and changed what, and when; --verify, 'audit head': that history is whole",
    load: () => import("./audit.ts"),
  },
  { usage: "check", group: STORE, summary: "verify the store (--read-data: every byte of it)", load: () => import("./check.ts") },
  { usage: "repair", group: STORE, summary: "rebuild what can be rebuilt", load: () => import("./repair.ts") },
  { usage: "replay", group: STORE, summary: "rebuild the projections from the events (--verify: and compare)", load: () => import("./replay.ts") },
  { usage: "events [action]", group: STORE, summary: "print the event stream readably (copy: move it to another store)", load: () => import("./events.ts") },
  { usage: "completion <shell>", group: STORE, summary: "print the completion script for bash, zsh or fish", load: () => import("./completion.ts") },
];

export function commandName(entry: CommandEntry): string {
  return entry.usage.split(" ")[0] ?? "";
}
