/** Where a mirror comes from and goes to, as people write it. */
import type { MirrorSource } from "../../actors/mirror/index.ts";
import { byteStringOfText, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { bucketNameOf, isBucketName } from "../../objects/s3/index.ts";

const RSYNC_PORT = 873; // IANA.
const PORT_MAX = 65_535;

export interface ParsedSource {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  /** "" where only the server is named. */
  readonly module: string;
  /** In the module; "" for all of it. */
  readonly path: ByteString;
  /** As one address, without trailing slashes. */
  readonly url: string;
}

/** `rsync://[user@]host[:port]/[module[/path]]`, or rsync's older `[user@]host::[module[/path]]`. */
export function parseSource(text: string): ParsedSource {
  const refuse = (why: string): never => {
    throw new RainbowError("USAGE", `'${withoutPassword(text)}' is no rsync server's module: ${why}; write rsync://[user@]host[:port]/module[/path]`);
  };
  if (/[\0\r\n]/.test(text)) refuse("it has a line end or a NUL in it");
  const match =
    /^rsync:\/\/(?:([^@/]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^/:[\]]+)(?::(\d+))?(?:\/(.*))?$/s.exec(text) ?? oldForm(text) ?? refuse("it cannot be understood");
  const [, user, host = "", port, rest = ""] = match;
  if (user?.includes(":") === true) refuse("a password in an address can be read by everybody here: use --password-file, or RSYNC_PASSWORD");
  if (user === "" || /\s/.test(user ?? "")) refuse("the user's name is empty or has spaces in it");
  const portNumber = port === undefined ? RSYNC_PORT : Number(port);
  if (portNumber < 1 || portNumber > PORT_MAX) refuse(`there is no port ${port}`);
  const [module = "", ...names] = rest.split("/");
  const path = names.filter((name) => name !== "" && name !== ".").join("/");
  if (path.split("/").includes("..")) refuse("its path leads upwards");
  if (module === "" && path !== "") refuse("the module's name is empty");
  const place = `${user === undefined ? "" : `${user}@`}${host}${portNumber === RSYNC_PORT ? "" : `:${portNumber}`}`;
  const url = `rsync://${place}/${module}${path === "" ? "" : `/${path}`}`;
  return { host: host.replace(/^\[|\]$/g, ""), port: portNumber, user, module, path: byteStringOfText(path), url };
}

function oldForm(text: string): (string | undefined)[] | undefined {
  const match = /^(?:([^@/]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^/:[\]@]+)::(.*)$/s.exec(text);
  return match === null ? undefined : [match[0], match[1], match[2], undefined, match[3]];
}

/** What is shown of an address that may hold a password. */
function withoutPassword(text: string): string {
  return text.replace(/:[^@/:]*@/, ":…@");
}

export function mirrorSource(
  source: ParsedSource,
  login: MirrorSource["login"],
  from: { family: 4 | 6 | undefined; localAddress: string | undefined },
): MirrorSource {
  const { host, port, module, path } = source;
  return { address: { host, port, ...from }, module, path, login };
}

export type ParsedTarget =
  { readonly kind: "directory"; readonly path: string } | { readonly kind: "bucket"; readonly bucket: string; readonly prefix: string };

/** An absolute directory, or `s3://bucket[/prefix]`. */
export function parseTarget(text: string): ParsedTarget {
  if (text.startsWith("/")) return { kind: "directory", path: text.length > 1 ? text.replace(/\/+$/, "") : text };
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(text);
  if (match === null) throw new RainbowError("USAGE", `'${text}' is no place for a mirror: name a directory, or s3://bucket[/prefix]`, { target: text });
  const [, bucket = "", prefix = ""] = match;
  if (!isBucketName(bucket))
    throw new RainbowError("USAGE", `'${bucket}' cannot be a bucket's name: 3 to 63 of a-z, 0-9, '-' and '.', as S3 has it`, { bucket });
  return { kind: "bucket", bucket, prefix: prefix.replace(/\/+$/, "") };
}

/** The target in full: `s3://` alone stands for the module's own bucket. */
export function targetOf(text: string, module: string): string {
  const parsed = parseTarget(text === "s3://" || text === "s3:" ? `s3://${bucketNameOf(module)}` : text);
  return parsed.kind === "directory" ? parsed.path : `s3://${parsed.bucket}${parsed.prefix === "" ? "" : `/${parsed.prefix}`}`;
}
