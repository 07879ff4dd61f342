/** People: they take, pin and drop snapshots, build trees, read instants and hold views open while everything under them moves. */
import type { Revision, TimeUs } from "../../../src/core/index.ts";
import { dropSnapshot, takeSnapshot } from "../../../src/actors/retention/index.ts";
import type { StateView } from "../../../src/projections/index.ts";
import { compareWithNaive } from "../../support/compare-with-naive.ts";
import type { Agent } from "./agent.ts";
import { plainOf } from "./facts.ts";
import { ifPossible, turn } from "./site.ts";
import type { Site } from "./site.ts";

const VIEWS_MAX = 3;
const SNAPSHOTS_MAX = 6;

export class People {
  private readonly site: Site;
  private readonly agent: Agent;
  private readonly round: number;
  private views: { readonly view: StateView; readonly revision: Revision }[] = [];
  private count = 0;

  /** `round`: no other has this number. */
  constructor(site: Site, agent: Agent, round: number) {
    [this.site, this.agent, this.round] = [site, agent, round];
  }

  async work(isDone: Promise<boolean>): Promise<void> {
    let isOver = false;
    void isDone.then(() => (isOver = true));
    while (!isOver) {
      await ifPossible(() => this.act());
      await turn();
    }
  }

  end(): void {
    while (this.views.length > 0) this.closeView();
  }

  private async act(): Promise<void> {
    const { random, stores } = this.site;
    const roll = random.int(100);
    if (roll < 15) await stores.machine.projection.buildTree();
    else if (roll < 35) await this.snapshot();
    else if (roll < 45) await this.drop();
    else if (roll < 55) await this.openView();
    else if (roll < 63) this.closeView();
    else if (roll < 75) await this.read();
    else for (let i = random.int(30); i > 0; i--) await turn();
  }

  /** An instant that is kept and whose content is known; undefined before the first. */
  private instant(): Revision | undefined {
    const { projection } = this.site.stores.machine;
    const window = projection.window();
    const kept = [...this.agent.known.keys()].filter((revision) => revision >= window);
    for (const { revision } of projection.snapshots()) if (revision < window && this.agent.known.has(revision)) kept.push(revision);
    return kept.length === 0 ? undefined : this.site.random.pick(kept);
  }

  private async snapshot(): Promise<void> {
    const { random, note, stores } = this.site;
    const revision = this.instant();
    if (revision === undefined || stores.machine.projection.snapshots().length >= SNAPSHOTS_MAX) return;
    const name = `s${this.round}-${this.count++}`;
    const pinned = random.chance(0.4);
    note("snapshot?", name, revision, pinned ? "pinned" : "loose");
    const taken = await ifPossible(async () => {
      await takeSnapshot(stores.machine, { name, revision, atUs: 0 as TimeUs, pinned });
      return true;
    });
    if (taken === true) note("snapshot", name);
    else if (stores.failure() === undefined) note("refused", name);
  }

  private async drop(): Promise<void> {
    const { random, note, stores } = this.site;
    const snapshots = stores.machine.projection.snapshots().filter(({ name }) => name.startsWith("s"));
    if (snapshots.length < 2) return;
    const { name } = random.pick(snapshots);
    note("drop?", name);
    await dropSnapshot(stores.machine, name).catch((error: unknown) => {
      if (stores.machine.projection.snapshots().some((each) => each.name === name)) throw error; // Else a policy was quicker.
    });
    note("drop", name);
  }

  private async openView(): Promise<void> {
    const revision = this.instant();
    if (revision === undefined || this.views.length >= VIEWS_MAX) return;
    this.views.push({ view: await this.site.stores.machine.projection.viewAt(revision), revision });
  }

  /** Whatever went on meanwhile: it answers as at first. */
  private closeView(): void {
    const held = this.views.shift();
    if (held === undefined) return;
    compareWithNaive(held.view, this.agent.known.get(held.revision)!, plainOf, { knowsChunks: false });
    held.view.close();
  }

  private async read(): Promise<void> {
    const revision = this.instant();
    if (revision === undefined) return;
    const view = await this.site.stores.machine.projection.viewAt(revision);
    compareWithNaive(view, this.agent.known.get(revision)!, this.site.random.chance(0.5) ? plainOf : undefined, { knowsChunks: false });
    view.close();
  }
}
