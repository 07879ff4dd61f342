/** A systemd unit that keeps Rainbow running, and its installation. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { RainbowError } from "../core/index.ts";

export type ServiceScope = "user" | "system";

export interface ServiceOptions {
  readonly scope: ServiceScope;
  readonly dataDirectory: string;
  /** Whether it is the one that commands choose by themselves: then the unit is called rainbow.service. */
  readonly isDefaultDirectory: boolean;
  /** Absolute paths of Node and bin/rainbow. */
  readonly node: string;
  readonly program: string;
  readonly home: string;
  readonly configDirectory: string | undefined;
}

export interface InstalledService {
  readonly unit: string;
  readonly path: string;
  readonly text: string;
  /** Commands that were run and went well. */
  readonly done: readonly string[];
  /** The command that failed and what it said; then the rest is for the user to run. */
  readonly failed: string | undefined;
  readonly remaining: readonly string[];
}

/** The unit's text. Node is found first on the PATH by its absolute folder, so no login shell is needed. */
export function unitText(options: ServiceOptions): string {
  const isSystem = options.scope === "system";
  const command = [options.program, "up", "--data-dir", options.dataDirectory].map(quoted).join(" ");
  return `# Made by 'rainbow service install'; make it again after Rainbow or Node has moved.
[Unit]
Description=Rainbow: keeps every write to the protected folders
Documentation=file:${fileUriPath(join(dirname(dirname(options.program)), "README.md"))}
${isSystem ? "After=local-fs.target\n" : ""}StartLimitIntervalSec=0

[Service]
Type=exec
Environment=${quoted(`PATH=${dirname(options.node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`)}
ExecStart=${command}
# 0 is a clean stop; usage, no store, a newer format and damage do not get better by trying again.
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2 10 13 30
TimeoutStopSec=120
UMask=0077
Nice=5

[Install]
WantedBy=${isSystem ? "multi-user.target" : "default.target"}
`;
}

export function unitName(options: Pick<ServiceOptions, "dataDirectory" | "isDefaultDirectory">): string {
  if (options.isDefaultDirectory) return "rainbow.service";
  return `rainbow-${createHash("sha256").update(options.dataDirectory).digest("hex").slice(0, 8)}.service`;
}

/** Writes the unit, then enables and starts it where systemd answers. */
export function installService(options: ServiceOptions): InstalledService {
  const unit = unitName(options);
  const folder = options.scope === "system" ? "/etc/systemd/system" : join(options.configDirectory ?? join(options.home, ".config"), "systemd/user");
  const path = join(folder, unit);
  const text = unitText(options);
  writeUnit(path, text);
  const scope = options.scope === "user" ? ["--user"] : [];
  const commands = [
    ["systemctl", ...scope, "daemon-reload"],
    ["systemctl", ...scope, "enable", "--now", unit],
  ];
  const done: string[] = [];
  for (const [i, [program = "", ...words]] of commands.entries()) {
    const child = spawnSync(program, words, { encoding: "utf8", timeout: 120_000 });
    const line = [program, ...words].join(" ");
    if (child.status !== 0) {
      const why = child.error?.message ?? (child.stderr.trim().split("\n")[0] || `exit code ${child.status}`);
      return { unit, path, text, done, failed: `${line}: ${why}`, remaining: commands.slice(i).map((words_) => words_.join(" ")) };
    }
    done.push(line);
  }
  return { unit, path, text, done, failed: undefined, remaining: [] };
}

function writeUnit(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, text);
    chmodSync(path, 0o644); // The umask is 077.
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RainbowError("IO", `${path}: the unit cannot be written (${why}); a system unit needs root, --user writes one of your own`, { path }, error);
  }
}

/** systemd.service(5) "Command lines": double quotes with C escapes; $ and % stand for themselves when doubled. */
function quoted(word: string): string {
  const escaped = word.replace(/[\\"]/g, (c) => `\\${c}`).replace(/[$%]/g, (c) => c + c);
  const safe = escaped.replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return /^[\w@+=:,./-]+$/.test(word) ? word : `"${safe}"`;
}

function fileUriPath(path: string): string {
  return encodeURI(path).replace(/%/g, "%%");
}
