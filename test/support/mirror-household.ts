/** A user's data directory, an rsync daemon over a tree, and a place for its mirror: for calls of bin/rainbow. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { end, Household, start } from "./cli.ts";
import type { Ended } from "./cli.ts";
import { startRsyncDaemon } from "./rsync-daemon.ts";
import type { RsyncDaemon } from "./rsync-daemon.ts";
import { temporaryDirectory } from "./temp.ts";

export type Json = Readonly<Record<string, unknown>>;

export class MirrorHousehold {
  readonly upstream: string;
  readonly daemon: RsyncDaemon;
  readonly home = new Household();
  readonly target = join(this.home.base, "target");
  /** Of every call. */
  env: Readonly<Record<string, string>> = {};

  private constructor(upstream: string, daemon: RsyncDaemon) {
    this.upstream = upstream;
    this.daemon = daemon;
  }

  /** `settings`: of the daemon's module "tree". */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<MirrorHousehold> {
    const upstream = temporaryDirectory("upstream");
    return new MirrorHousehold(upstream, await startRsyncDaemon({ tree: { path: upstream, comment: "a tree", ...settings } }));
  }

  get url(): string {
    return `${this.daemon.url}/tree`;
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.upstream, path)), { recursive: true });
      writeFileSync(join(this.upstream, path), text);
    }
  }

  run(...words: readonly string[]): Promise<Ended> {
    return end(start(words, { cwd: this.home.base, env: { ...this.home.env, ...this.env } }));
  }

  /** What it printed; fails unless it ends with `exitCode`. */
  async ok(words: readonly string[], exitCode = 0): Promise<string> {
    const answer = await this.run(...words);
    if (answer.exitCode === exitCode) return answer.stdout.toString();
    throw new Error(`rainbow ${words.join(" ")}: exit code ${answer.exitCode}, not ${exitCode}\n${answer.stdout.toString()}\n${answer.stderr}`);
  }

  /** The objects that it printed. */
  async json(words: readonly string[], exitCode = 0): Promise<Json[]> {
    const text = await this.ok([...words, "--json"], exitCode);
    return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Json]));
  }

  close(): Promise<void> {
    return this.daemon.stop();
  }
}
