/** The options of a mirror and of its syncs, by rsync's names where it has them. */
import { Option } from "commander";
import type { Command } from "commander";
import type { FilterLines, MirrorWords } from "../app/index.ts";
import { RainbowError } from "../core/index.ts";
import { collect } from "./command.ts";
import { countOption } from "./counts.ts";
import { argumentBytes } from "./format/index.ts";
import { parseDurationUs } from "./instants/index.ts";
import type { Invocation } from "./invocation.ts";
import { absolutePath } from "./paths.ts";
import { parseSize } from "./root-options.ts";

const US_PER_MS = 1000;
const MS_PER_SECOND = 1000;

interface FilterWord {
  readonly option: "include" | "exclude" | "filter" | "include-from" | "exclude-from" | "files-from";
  readonly value: string;
}

export interface MirrorOptionWords {
  readonly name?: string;
  readonly every?: string;
  readonly delete?: boolean;
  readonly deleteAfter?: boolean;
  readonly deleteGrace?: string;
  readonly maxDelete?: string;
  readonly deleteExcluded?: boolean;
  readonly filters?: readonly FilterWord[];
  readonly safeLinks?: boolean;
  readonly checksum?: boolean;
  readonly partial?: boolean;
  readonly bwlimit?: string;
  readonly contimeout?: string;
  readonly timeout?: string;
  readonly connections?: string;
  readonly address?: string;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly maxNewBytes?: string;
  readonly probe?: string;
  readonly last?: readonly string[];
  readonly profile?: string;
  readonly temporaryNames?: boolean;
  readonly protocol?: string;
  readonly passwordFile?: string;
  readonly loginDigest?: string;
  readonly proof?: string;
  readonly versioning?: boolean;
  readonly endpointUrl?: string;
  readonly awsProfile?: string;
  readonly acceptTarget?: boolean;
  readonly dryRun?: boolean;
  readonly progress?: boolean;
  readonly verbose?: boolean;
  readonly recursive?: boolean;
  readonly readData?: boolean;
  readonly mend?: boolean;
  readonly source?: boolean;
  readonly number?: string;
}

/** All filters in one list: their order decides. */
class FilterOption extends Option {
  constructor(flags: string, description: string) {
    super(flags, description);
    const option = this.name() as FilterWord["option"];
    this.argParser((value: string, before: readonly FilterWord[] | undefined) => [...(before ?? []), { option, value }]);
  }

  override attributeName(): string {
    return "filters";
  }
}

export function declareMirrorOptions(command: Command): void {
  command
    .option("--name <name>", "add: how the mirror is called (default: the module's name)")
    .option("--every <span>", "add, set: a running host syncs it so often, as 6h or 30m; 'never' (the default): only when asked")
    .option("-n, --dry-run", "sync: only say what would be done")
    .option("-v, --verbose", "sync: name each file")
    .option("--progress", "sync: as --verbose; how far it is a terminal shows always")
    .option("-r, --recursive", "list-only: with all below it")
    .option("--read-data", "check: read every stored byte and compare its digest")
    .option("--mend", "check: what is wrong is fetched anew by the next sync")
    .option("--no-source", "check: only the file list against what is stored, without asking the server")
    .option("--number <count>", "log: at most so many");
  declareDeletes(command);
  declareFilters(command);
  declareTransfer(command);
  command
    .option("--password-file <file>", "the password is the file's first line (else RSYNC_PASSWORD); never give it in the address")
    .option("--login-digest <name>", "the weakest digest to log in with: sha512, sha256, sha1 (default), md5, md4")
    .option("--proof <policy>", "of files in a bucket that are made of what it had: 'trust' their block sums (the default), or 'scrub': read them back")
    .option("--versioning", "add, set: turn the bucket's versioning on, so that old content can be read")
    .option("--endpoint-url <url>", "of the S3 server (default: as every AWS tool finds it: AWS_ENDPOINT_URL, ~/.aws/config)")
    .option("--accept-target", "set: the directory that is there now is the target, though it is another one than before")
    .option("--aws-profile <name>", "of ~/.aws (default: AWS_PROFILE)");
}

function declareDeletes(command: Command): void {
  command
    .option("--delete, --delete-after", "what is gone upstream goes here too, after everything else (the default)")
    .option("--no-delete", "what is gone upstream stays")
    .option("--delete-grace <span>", "what is gone upstream stays for so long, as 2h or 3d")
    .option("--max-delete <count>", "more removals in one sync are held back")
    .option("--delete-excluded", "also delete what the filters leave out")
    .option("--no-delete-excluded", "keep what the filters leave out");
}

function declareFilters(command: Command): void {
  command
    .addOption(new FilterOption("--include <pattern>", "take what matches, before the rules after it"))
    .addOption(new FilterOption("--exclude <pattern>", "leave out what matches"))
    .addOption(new FilterOption("-f, --filter <rule>", "a filter rule, as '- *.iso', '+ /dists/***', 'P *.log', ': .rsync-filter'"))
    .addOption(new FilterOption("--include-from <file>", "patterns to take, one a line"))
    .addOption(new FilterOption("--exclude-from <file>", "patterns to leave out, one a line"))
    .addOption(new FilterOption("--files-from <file>", "only these paths, one a line"));
}

function declareTransfer(command: Command): void {
  command
    .option("--safe-links", "leave out symlinks that lead out of the mirror")
    .option("--no-safe-links", "take every symlink")
    .option("-c, --checksum", "compare by digest, not by size and time: the server reads all of its files")
    .option("--no-checksum", "compare by size and time")
    .option("--partial", "keep what came of a file when the connection broke, and go on with it (the default)")
    .option("--no-partial", "begin such a file anew")
    .option("--bwlimit <rate>", "receive at most so many KiB/s, or as 10M; 0: no limit")
    .option("--contimeout <seconds>", "give up a connection that takes longer to be made")
    .option("--timeout <seconds>", "give up a server that says nothing for so long; 0: never")
    .option("--connections <count>", "fetch large files over so many connections at once, 1 (the default, which public servers ask for) to 16")
    .option("--address <address>", "the address of this machine to come from")
    .option("-4, --ipv4", "reach the server by IPv4")
    .option("-6, --ipv6", "reach the server by IPv6")
    .option("--protocol <number>", "speak an older protocol, from 27 on")
    .option("--max-new-bytes <size>", "fetch no more new content than that in one sync, as 20G")
    .option("--probe <file>", "look at this file first, and at nothing else where it has not changed")
    .option("--last <pattern>", "files that become visible after all others; may be given again, later ones come later", collect)
    .option("--profile <kind>", "debian, rpm, arch or plain (the default): what comes last there")
    .option("--temporary-names", "also what looks like another rsync's unfinished files");
}

/** What is given, and nothing else. USAGE names the option that is off. */
export function mirrorWords(invocation: Invocation, options: MirrorOptionWords): MirrorWords {
  const { every, deleteGrace, maxDelete, bwlimit, contimeout, timeout, connections, maxNewBytes, probe, protocol, passwordFile, filters } = options;
  const { deleteExcluded, safeLinks, checksum, partial, address, last, profile, temporaryNames, loginDigest, proof, versioning, endpointUrl, awsProfile } =
    options;
  const { cwd } = invocation.context;
  const words = {
    everyMs: every === undefined ? undefined : every === "never" ? 0 : spanMs("--every", every),
    deletes: options.deleteAfter === true ? true : options.delete,
    deleteGraceMs: deleteGrace === undefined ? undefined : spanMs("--delete-grace", deleteGrace),
    maxDelete: maxDelete === undefined ? undefined : wholeNumber("--max-delete", maxDelete),
    deleteExcluded,
    filterLines: filters === undefined ? undefined : filterLines(invocation, filters),
    safeLinks,
    checksum,
    partial,
    bytesPerSecondMax: bwlimit === undefined ? undefined : rate(bwlimit),
    connectMs: contimeout === undefined ? undefined : countOption("--contimeout", contimeout, 0) * MS_PER_SECOND,
    silenceMs: timeout === undefined ? undefined : wholeNumber("--timeout", timeout) * MS_PER_SECOND,
    connections: connections === undefined ? undefined : wholeNumber("--connections", connections),
    localAddress: address,
    family: familyOf(options),
    maxNewBytes: maxNewBytes === undefined ? undefined : parseSize(maxNewBytes),
    probe: probe === undefined ? undefined : argumentBytes(probe.replace(/^\/+/, "")),
    last,
    profile,
    temporaryNames,
    protocolMax: protocol === undefined ? undefined : wholeNumber("--protocol", protocol),
    passwordFile: passwordFile === undefined ? undefined : Buffer.from(absolutePath(passwordFile, cwd), "latin1").toString(),
    loginDigest,
    proof,
    versioning,
    endpoint: endpointUrl,
    awsProfile,
  };
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}

export function filterLines({ context }: Invocation, words: readonly FilterWord[]): FilterLines[] {
  return words.map(({ option, value }) => {
    const kind = option === "filter" ? "rule" : option === "files-from" ? option : option.startsWith("include") ? "include" : "exclude";
    if (!option.endsWith("-from")) return { kind, lines: [value] };
    const lines = context.machine.readLines(absolutePath(value, context.cwd));
    return { kind, lines: lines.filter((line) => line !== "" && !/^[#;]/.test(line)) };
  });
}

export function familyOf({ ipv4, ipv6 }: Pick<MirrorOptionWords, "ipv4" | "ipv6">): 4 | 6 | undefined {
  if (ipv4 === true && ipv6 === true) throw new RainbowError("USAGE", "--ipv4 and --ipv6 exclude each other");
  return ipv4 === true ? 4 : ipv6 === true ? 6 : undefined;
}

function spanMs(option: string, text: string): number {
  const us = parseDurationUs(text);
  if (us !== undefined && us > 0) return Math.round(us / US_PER_MS);
  throw new RainbowError("USAGE", `${option}: '${text}' is no span of time: write 30m, 2h or 1d`);
}

/** From 0 on. */
export function wholeNumber(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new RainbowError("USAGE", `${option} takes a whole number, not '${text}'`);
}

/** As rsync has it: KiB/s without a unit; K, M and G are powers of 1,024, KB, MB and GB of 1,000. */
function rate(text: string): number {
  const [, count, unit, power] = /^(\d+(?:\.\d+)?)([kmgKMG]?)(ib|iB|b|B)?$/.exec(text) ?? [];
  const base = power?.toLowerCase() === "b" && unit !== "" ? 1000 : 1024;
  const bytes = Math.round(Number(count) * base ** ["k", "m", "g"].indexOf(unit?.toLowerCase() === "" ? "k" : (unit?.toLowerCase() ?? "")) * base);
  if (count !== undefined && Number.isSafeInteger(bytes)) return bytes;
  throw new RainbowError("USAGE", `--bwlimit: '${text}' is no rate: write 500 (KiB/s), 10M or 1.5g`);
}
