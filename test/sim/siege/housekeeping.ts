/** The window moves by command and by policy, what is not kept is let go, and the disk fills up and has room again. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { commitRebase, finishRebase, Keeper, withWords } from "../../../src/actors/retention/index.ts";
import type { RebaseContext } from "../../../src/actors/retention/index.ts";
import { openDisk, openOs } from "../../../src/app/os/index.ts";
import type { Agent } from "./agent.ts";
import { ifPossible, turn } from "./site.ts";
import type { Site } from "./site.ts";

export class Housekeeping {
  private readonly site: Site;
  private readonly agent: Agent;
  private readonly ballast: string | undefined;
  private readonly keeper: Keeper;
  private readonly stop = new AbortController();
  private isFull = false;

  constructor(site: Site, agent: Agent, ballast: string | undefined) {
    this.site = site;
    this.agent = agent;
    this.ballast = ballast;
    const { machine, store } = site.stores;
    const disk = openDisk(openOs());
    const freeBytes = (): number => (ballast === undefined ? 2 ** 40 : disk.freeBytes(dirname(ballast)));
    this.keeper = new Keeper({ machine: () => machine, store: () => store, clock: site.clock, freeBytes });
  }

  async work(isDone: Promise<boolean>): Promise<void> {
    let isOver = false;
    void isDone.then(() => {
      isOver = true;
      this.stop.abort();
      this.makeRoom();
    });
    while (!isOver) {
      if (this.agent.hasLostPatience) this.makeRoom();
      await ifPossible(() => this.act());
      await turn();
    }
  }

  end(): void {
    this.makeRoom();
  }

  private get context(): RebaseContext {
    const { machine, store } = this.site.stores;
    return { machine, store, clock: this.site.clock, signal: this.stop.signal };
  }

  private async act(): Promise<void> {
    const { random } = this.site;
    const roll = random.int(100);
    if (roll < 25) await this.move();
    else if (roll < 50) await this.finish();
    else if (roll < 58) await this.policy();
    else if (roll < 72) await this.look();
    else if (roll < 75) await this.fill();
    else if (roll < 80) this.makeRoom();
    else for (let i = random.int(20); i > 0; i--) await turn();
  }

  private async move(): Promise<void> {
    const { random, stores, note } = this.site;
    const { projection, dig } = stores.machine;
    const trees = dig.trees.list().filter(({ revision }) => revision > projection.window());
    if (trees.length === 0) return;
    const { revision } = random.pick(trees.slice(0, Math.ceil((trees.length * 3) / 4)));
    note("move?", revision);
    if (await commitRebase(this.context, revision)) note("move", revision);
  }

  private async policy(): Promise<void> {
    const { random, stores, note } = this.site;
    const days = 1 + random.int(6);
    const words = [`keep=${days + random.int(10)}d`, `window=${days}d`, `guard=${random.int(3)}d`, `daily=${random.int(4)}`, `hourly=${random.int(4)}`];
    const policy = withWords(this.keeper.policy(), [...words, `every=${random.int(3) * 12}h`.replace("=0h", "=0"), "free=0"]);
    note("policy", ...words);
    const { machine } = stores;
    await machine.turns.take(async () => {
      const { revision } = await (await machine.ingest()).appendOwn([{ type: "PolicySet", policy: { ...policy } }], "policy");
      machine.projection.follow(revision);
      await machine.projection.projected(revision);
    });
  }

  private async look(): Promise<void> {
    this.site.note("look?");
    await this.keeper.look(this.context);
  }

  /** Now and then it is stopped in the middle; the next time goes on. */
  private async finish(): Promise<void> {
    const { random } = this.site;
    const stop = new AbortController();
    const interrupt = async (): Promise<void> => {
      for (let i = random.int(60); i > 0; i--) await turn();
      stop.abort();
    };
    const interrupting = random.chance(0.3) ? interrupt() : undefined;
    await finishRebase({ ...this.context, signal: AbortSignal.any([stop.signal, this.stop.signal]) });
    await interrupting;
  }

  /** Others take every byte of the disk; on it the window moves all the same, and gives room. */
  private async fill(): Promise<void> {
    if (this.ballast === undefined || this.isFull) return;
    this.isFull = true;
    this.site.note("full");
    const fd = openSync(this.ballast, "a");
    try {
      for (;;) writeSync(fd, Buffer.alloc(1 << 20, 1));
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
    await this.move();
    await finishRebase(this.context);
    if (this.site.random.chance(0.7)) this.makeRoom();
  }

  private makeRoom(): void {
    if (this.ballast === undefined) return;
    rmSync(this.ballast, { force: true });
    if (this.isFull) this.site.note("room");
    this.isFull = false;
  }
}
