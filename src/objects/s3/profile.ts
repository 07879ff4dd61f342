/**
 * What a profile of ~/.aws/config says that the client library does not look for by itself: the certificates to trust, and the server
 * where the profile is named by an option. AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { RainbowError } from "../../core/index.ts";

export interface ProfileSettings {
  readonly endpoint?: string;
  readonly caBundle?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
/** Settings by section; those of a service by its name and theirs: "s3.endpoint_url". */
type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** `profile`: over AWS_PROFILE. A file that is not there says nothing. */
export function profileSettings(environment: Environment, profile: string | undefined): ProfileSettings {
  const path = environment["AWS_CONFIG_FILE"] ?? join(environment["HOME"] ?? homedir(), ".aws/config");
  const sections = readSections(textOf(path));
  const name = profile ?? environment["AWS_PROFILE"] ?? "default";
  const own = sections.get(`profile ${name}`) ?? (name === "default" ? sections.get(name) : undefined);
  const services = sections.get(`services ${own?.get("services") ?? ""}`);
  const [endpoint, caBundle] = [services?.get("s3.endpoint_url") ?? own?.get("endpoint_url"), own?.get("ca_bundle")];
  return { ...(endpoint === undefined ? {} : { endpoint }), ...(caBundle === undefined ? {} : { caBundle }) };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return "";
    const why = error instanceof Error ? error.message : String(error);
    throw new RainbowError("OBJECTS_REFUSED", `${path} cannot be read: ${why}`, { path }, error);
  }
}

function readSections(text: string): Sections {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  let outer = "";
  for (const line of text.split(/\r?\n/)) {
    const [, title] = /^\[\s*([^\]]*?)\s*\]/.exec(line) ?? [];
    const [, indent, key, value] = /^(\s*)([^\s=#;]+)\s*=\s*(.*?)\s*(?:\s[#;].*)?$/.exec(line) ?? [];
    if (title !== undefined) sections.set(title.replace(/\s+/g, " "), (section = new Map()));
    else if (key === undefined || value === undefined) continue;
    else if (indent !== "") section.set(`${outer}.${key}`, value);
    else section.set((outer = key), value);
  }
  return sections;
}
