/**
 * The configuration file, and what the environment says: read here and nowhere else, so that all below gets plain values. Every key is
 * known, or refused with its line. What a word of the command line says goes first, then the environment, then the file, then what the
 * data directory remembers. No password stands in it: it names a file that only its owner can read.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { byteStringOfText, RainbowError } from "../core/index.ts";
import type { ByteString, RootOptions } from "../core/index.ts";
import { chooseDataDirectory } from "./data-directory-choice.ts";
import type { Surroundings } from "./data-directory-choice.ts";
import { parseJsonLines } from "./json-lines.ts";
import type { JsonNode } from "./json-lines.ts";
import { parseBytes } from "./sizes.ts";

const FILE = "rainbow.json";
const FILE_BYTES_MAX = 1 << 20;
const POLICY_KEYS: readonly string[] = "every keep window guard hourly daily weekly monthly yearly quota free".split(" ");

export interface ConfiguredRoot {
  readonly path: ByteString;
  readonly options: RootOptions;
}

export interface Config {
  /** Of the file; undefined where there is none. */
  readonly file: string | undefined;
  readonly dataDirectory: string | undefined;
  /** An address without a password, or "embedded". */
  readonly events: string | undefined;
  readonly eventsCredentialsFile: string | undefined;
  readonly roots: readonly ConfiguredRoot[];
  /** As `policy set` takes them. */
  readonly policyWords: readonly string[];
}

export const NO_CONFIG: Config = { file: undefined, dataDirectory: undefined, events: undefined, eventsCredentialsFile: undefined, roots: [], policyWords: [] };

/** Where the file is looked for when nobody names one. */
export function defaultConfigFile({ env, uid, home }: Surroundings): string {
  if (uid === 0) return join("/etc/rainbow", FILE);
  const base = env["XDG_CONFIG_HOME"];
  return join(base !== undefined && base.startsWith("/") ? base : join(home, ".config"), "rainbow", FILE);
}

/**
 * `option` (--config), else RAINBOW_CONFIG, else the default place, where none need be. That one counts only for the data directory that it
 * names: `dataDirectory` is what --data-dir or RAINBOW_DATA_DIR say.
 */
export function readConfig(option: string | undefined, dataDirectory: string | undefined, surroundings: Surroundings): Config {
  const named = option ?? surroundings.env["RAINBOW_CONFIG"];
  if (named === "") throw new RainbowError("USAGE", "the configuration file's name is empty: give --config a file, or unset RAINBOW_CONFIG");
  if (named !== undefined) return parseConfig(resolve(surroundings.cwd, named));
  const file = defaultConfigFile(surroundings);
  if (!existsSync(file)) return NO_CONFIG;
  const config = parseConfig(file);
  const own = config.dataDirectory ?? chooseDataDirectory(undefined, { ...surroundings, env: { ...surroundings.env, RAINBOW_DATA_DIR: undefined } });
  return dataDirectory === undefined || resolve(surroundings.cwd, dataDirectory) === own ? config : NO_CONFIG;
}

/** CONFIG_REFUSED says file, line and what is wrong there. */
export function parseConfig(file: string): Config {
  const text = textOf(file);
  const fail = (line: number, why: string): RainbowError => new RainbowError("CONFIG_REFUSED", `${file}:${line}: ${why}`, { file, line });
  const schema = new Schema(fail, dirname(file));
  return { ...NO_CONFIG, file, ...schema.config(parseJsonLines(text, fail)) };
}

/** The address with user and password of the credentials file; as it is where there is none. */
export function eventsAddress({ events, eventsCredentialsFile: file }: Config): string | undefined {
  if (events === undefined || file === undefined) return events;
  const text = textOf(file).trim();
  if ((statSync(file).mode & 0o077) !== 0) throw new RainbowError("CONFIG_REFUSED", `${file}: others can read it: chmod 600 it`, { file });
  const [, user = "", password = ""] = /^([^:\s]+):(\S+)$/.exec(text) ?? [];
  if (user === "") throw new RainbowError("CONFIG_REFUSED", `${file}: it holds one line, user:password`, { file });
  return events.replace("://", `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
}

function textOf(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) throw new RainbowError("CONFIG_REFUSED", `${file}: ${size} bytes are too many for a configuration`, { file });
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof RainbowError) throw error;
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new RainbowError("CONFIG_REFUSED", `${file}: it cannot be read (${why})`, { file }, error);
  }
}

type Members = ReadonlyMap<string, JsonNode>;

/** What each key takes. */
class Schema {
  private readonly fail: (line: number, why: string) => RainbowError;
  private readonly directory: string;

  constructor(fail: (line: number, why: string) => RainbowError, directory: string) {
    this.fail = fail;
    this.directory = directory;
  }

  config(node: JsonNode): Omit<Config, "file"> {
    const members = this.members(node, ["dataDirectory", "events", "eventsCredentialsFile", "roots", "policy"]);
    const events = this.events(members.get("events"));
    const credentials = members.get("eventsCredentialsFile");
    if (credentials !== undefined && (events === undefined || events === "embedded"))
      throw this.fail(credentials.line, "eventsCredentialsFile goes with an address in 'events'");
    return {
      dataDirectory: this.optional(members.get("dataDirectory"), (each) => this.path(each)),
      events,
      eventsCredentialsFile: this.optional(credentials, (each) => resolve(this.directory, this.text(each))),
      roots: this.optional(members.get("roots"), (each) => this.list(each).map((root) => this.root(root))) ?? [],
      policyWords: this.optional(members.get("policy"), (each) => this.policy(each)) ?? [],
    };
  }

  private events(node: JsonNode | undefined): string | undefined {
    if (node === undefined) return undefined;
    const text = this.text(node);
    if (text !== "embedded" && !/^(esdb|kurrentdb)(\+discover)?:\/\/\S+$/.test(text))
      throw this.fail(node.line, "events is 'embedded', esdb://… or kurrentdb://…");
    if (/:\/\/[^/?]*@/.test(text)) throw this.fail(node.line, "no user and password here: eventsCredentialsFile names a file that holds them");
    return text;
  }

  private root(node: JsonNode): ConfiguredRoot {
    const members = this.members(node, ["path", "exclude", "crossMounts", "maxFileSize"]);
    const path = members.get("path");
    if (path === undefined) throw this.fail(node.line, "a root has a path");
    const rules = this.optional(members.get("exclude"), (each) => this.list(each).map((rule) => this.text(rule))) ?? [];
    const crossMounts = this.optional(members.get("crossMounts"), (each) => this.flag(each)) ?? false;
    return {
      path: byteStringOfText(this.path(path)),
      options: { rules, crossMounts, fileBytesMax: this.optional(members.get("maxFileSize"), (each) => this.size(each)) ?? 0 },
    };
  }

  private policy(node: JsonNode): string[] {
    return [...this.members(node, POLICY_KEYS)].map(([key, { value, line }]) => {
      const text = typeof value === "number" ? `${value}` : value;
      if (typeof text !== "string" || !/^\d+[A-Za-z]?$/.test(text))
        throw this.fail(line, `${key} takes a number with its unit, such as "30d" or "200G", or a count`);
      return `${key}=${text}`;
    });
  }

  /** The members of an object; an unknown key is refused. */
  private members({ value, line }: JsonNode, known: readonly string[]): Members {
    if (!(value instanceof Map)) throw this.fail(line, "an object is wanted here: { … }");
    const members = value as ReadonlyMap<string, { readonly line: number; readonly node: JsonNode }>;
    for (const [key, member] of members) if (!known.includes(key)) throw this.fail(member.line, `unknown key '${key}'; known here are ${known.join(", ")}`);
    return new Map([...members].map(([key, { node }]) => [key, node]));
  }

  private optional<T>(node: JsonNode | undefined, read: (node: JsonNode) => T): T | undefined {
    return node === undefined ? undefined : read(node);
  }

  private list({ value, line }: JsonNode): readonly JsonNode[] {
    if (Array.isArray(value)) return value as readonly JsonNode[];
    throw this.fail(line, "a list is wanted here: [ … ]");
  }

  private text({ value, line }: JsonNode): string {
    if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
    throw this.fail(line, "a text is wanted here");
  }

  private path(node: JsonNode): string {
    const text = this.text(node);
    if (text.startsWith("/")) return resolve(text);
    throw this.fail(node.line, `'${text}' is no absolute path`);
  }

  private flag({ value, line }: JsonNode): boolean {
    if (typeof value === "boolean") return value;
    throw this.fail(line, "true or false is wanted here");
  }

  private size(node: JsonNode): number {
    const bytes = parseBytes(this.text(node));
    if (bytes !== undefined) return bytes;
    throw this.fail(node.line, `'${this.text(node)}' is no size: write "500M" or "10G"`);
  }
}
