/** Where a test process runs: the repository, a temporary directory of its own, and an environment that says nothing of the caller's. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";

export const REPOSITORY = resolve(import.meta.dirname, "../..");

export function makeWorkspace(): string {
  const directory = mkdtempSync(join(tmpdir(), "rainbow-test-"));
  mkdirSync(join(directory, "tmp"));
  mkdirSync(join(directory, "run"), { mode: 0o700 });
  return directory;
}

/** Returns why it could not be removed (a mount left inside, for one), or undefined. */
export function removeWorkspace(directory: string): string | undefined {
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** npm's variables would change what the command line under test does (INIT_CWD), and the user's settings what it finds. */
export function testEnvironment(workspace: string, extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    const isForeign = /^(npm_|INIT_CWD$|NODE_OPTIONS$|FORCE_COLOR$|RAINBOW_|XDG_)/i.test(name) && !/^RAINBOW_(CAMPAIGN|ESDB)_/.test(name);
    if (!isForeign) env[name] = value;
  }
  return {
    ...env,
    NO_COLOR: "1",
    LC_ALL: "C.UTF-8",
    TMPDIR: join(workspace, "tmp"),
    XDG_DATA_HOME: join(workspace, "share"),
    XDG_CONFIG_HOME: join(workspace, "config"),
    XDG_RUNTIME_DIR: join(workspace, "run"),
    PATH: [dirname(process.execPath), join(REPOSITORY, "node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter),
    ...extra,
  };
}
