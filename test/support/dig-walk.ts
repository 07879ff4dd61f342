/**
 * A random walk over the real DIG, as the executable model of its rules walks: batches in flight and sent again, a lagging projection,
 * trees at the end and in the middle, snapshots, readers, rebase, freeing, mending, crashes between any two durable steps, loss of the
 * control file. An oracle keeps everything and says what each kept instant must show.
 */
import { createHash } from "node:crypto";
import type { ChunkNumber, NewChunk, Revision } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig, EventsHold, ReaderHold, TreeInfo, TreeReader } from "../../src/dig/index.ts";
import { applyEvent, FILE_COUNT, namesChunk, randomOperations, settled } from "./dig-events.ts";
import type { State, WalkEvent } from "./dig-events.ts";
import { collectProblems, problemsText } from "./dig-rig.ts";
import { changesBetween, chunkOf, contentOf, HASH_KEY, QUOTA_BYTES, referencesOf, stateOf, storedLength, UUID } from "./dig-walk-content.ts";
import { isMasked, refuseUnpurged } from "./dig-walk-purge.ts";
import { WalkProjection } from "./dig-walk-projection.ts";
import { loseControl, rebase, retire } from "./dig-walk-retention.ts";
import type { SeededRandom } from "./random.ts";
import { SimulatedControls, SimulatedDisk, World } from "./simulated-disk.ts";

/** Broken rules, for the tests that show that the walk would notice. */
export type Break =
  | "barrier"
  | "untouched"
  | "reader"
  | "unnamed"
  | "condemned"
  | "snapshot trees"
  | "look again"
  | "bracket"
  | "resend"
  | "fence"
  | "named trees"
  | "events held"
  | "deaths"
  | "purge"
  | "purge asks nobody";

interface Control {
  window: number;
  nextChunk: number;
  sequence: number;
  readonly snapshots: Map<string, number>;
  /** Purges: the files that they hide before their revisions. */
  readonly masks: { readonly file: number; readonly revision: number }[];
}

interface Reader {
  readonly revision: number;
  readonly tree: TreeReader | undefined;
  readonly reading: ReaderHold;
  /** It reads the events from its tree on, again and again. */
  readonly hold: EventsHold;
}

export class DigWalk {
  readonly random: SeededRandom;
  readonly broken: ReadonlySet<Break>;
  readonly disk = new SimulatedDisk();
  readonly controls = new SimulatedControls();
  readonly counts: Record<string, number> = {};
  world!: World;
  dig!: Dig;
  // The stream, durable at once, and what it says.
  readonly events = new Map<number, WalkEvent>();
  readonly ends = new Set<number>([0]);
  head = 0;
  control: Control = { window: 0, nextChunk: 1, sequence: 0, snapshots: new Map(), masks: [] };
  // The oracle.
  private readonly oracle: State = new Map();
  private readonly history = new Map<number, State>([[0, new Map()]]);
  private readonly applied = new Set<number>();
  // The agent.
  private queue: { readonly sequence: number; readonly operations: readonly WalkEvent[] }[] = [];
  private nextSequence = 1;
  // The host's memory, gone with a crash.
  projection!: WalkProjection;
  readers: Reader[] = [];
  tasks = new Map<string, Promise<void>>();
  inFlight = new Set<number>();
  private ticket = 0;
  private decided = 0;
  isBuilding = false;
  private failure: unknown;
  private nameCount = 0;
  private onTheNet:
    { readonly head: number; readonly sequence: number; readonly operations: readonly WalkEvent[]; readonly events: readonly WalkEvent[] } | undefined;

  constructor(random: SeededRandom, broken: readonly Break[] = []) {
    this.random = random;
    this.broken = new Set(broken);
  }

  event(revision: number): WalkEvent {
    const event = this.events.get(revision);
    if (event === undefined) throw new Error(`event ${revision} was truncated and is needed`);
    return event;
  }

  append(events: readonly WalkEvent[]): void {
    for (const event of events) {
      this.head += 1;
      this.events.set(this.head, event);
      if (event.kind === "chunks") this.control.nextChunk = Math.max(this.control.nextChunk, event.chunks.at(-1)!.number + 1);
      else if (event.kind === "batch") this.control.sequence = event.sequence;
      else if (event.kind === "snapshot") this.control.snapshots.set(event.name, event.revision);
      else if (event.kind === "drop") this.control.snapshots.delete(event.name);
      else if (event.kind === "purge") this.control.masks.push({ file: event.file, revision: this.head });
      else if (event.kind === "rebased") this.control.window = Math.max(this.control.window, event.window);
    }
    this.ends.add(this.head);
    this.history.set(this.head, settled(this.oracle));
  }

  private appendBatch(sequence: number, operations: readonly WalkEvent[], events: readonly WalkEvent[]): void {
    for (const operation of operations) applyEvent(this.oracle, operation);
    this.append(events);
    this.applied.add(sequence);
  }

  private kept(): number[] {
    const { window, snapshots } = this.control;
    return [...new Set([...[...this.ends].filter((end) => end >= window), ...[...snapshots.values()].filter((revision) => revision < window)])].sort(
      (a, b) => a - b,
    );
  }

  loadTree(info: TreeInfo | undefined): State {
    const reader = info === undefined ? undefined : this.dig.trees.open(info.revision);
    try {
      return stateOf(reader);
    } finally {
      reader?.close();
    }
  }

  private stateAt(revision: number, tree: TreeReader | undefined): State {
    const state = stateOf(tree);
    for (let r = (tree?.info.revision ?? 0) + 1; r <= revision; r++) applyEvent(state, this.event(r));
    return state;
  }

  /** The instant shows what the oracle remembers, byte for byte. */
  private checkInstant(revision: number, reader?: Reader): void {
    const tree = reader === undefined ? this.dig.trees.open(revision as Revision) : reader.tree;
    try {
      if (revision > 0 && revision < this.control.window && tree?.info.revision !== revision && reader === undefined)
        throw new Error(`snapshot ${revision} has no tree`);
      const state = settled(this.stateAt(revision, tree));
      const wanted = this.history.get(revision)!;
      for (const key of new Set([...state.keys(), ...wanted.keys()])) {
        if (isMasked(this, key, revision)) continue;
        const [got, want] = [state.get(key), wanted.get(key)];
        const text = got === undefined ? undefined : contentOf(this.dig.chunks.read(Number(got.chunk) as ChunkNumber));
        const isSame = got !== undefined && want !== undefined && text === want.chunk && got.half === want.half;
        if (!isSame) throw new Error(`instant ${revision}, slot ${key}: chunk ${got?.chunk} is ${text}/${got?.half}, wanted ${want?.chunk}/${want?.half}`);
      }
    } finally {
      if (reader === undefined) tree?.close();
    }
  }

  private async ingest(sequence: number, operations: readonly WalkEvent[]): Promise<void> {
    const { world } = this;
    while (sequence > this.decided + 1) await world.pause("earlier batch");
    if (sequence <= this.control.sequence && !this.broken.has("resend")) return this.acknowledge(sequence);
    this.decided = sequence;
    const ticket = ++this.ticket;
    this.inFlight.add(ticket);
    const { events, durable } = this.decide(sequence, operations);
    await durable;
    while (Math.min(...this.inFlight) < ticket) await world.pause("earlier append");
    this.onTheNet = { head: this.head, sequence, operations, events };
    await world.pause("append");
    this.onTheNet = undefined;
    if (sequence > this.control.sequence) this.appendBatch(sequence, operations, events);
    this.inFlight.delete(ticket);
    await world.pause("acknowledgement");
    this.acknowledge(sequence);
  }

  private decide(sequence: number, operations: readonly WalkEvent[]): { events: WalkEvent[]; durable: Promise<void> } {
    const fresh: { readonly chunk: NewChunk; readonly content: string }[] = [];
    const first = this.dig.chunks.nextNumber();
    const numbers = new Map<string, number>();
    const number = (content: string): number => {
      const again = numbers.get(content);
      if (again !== undefined) return again;
      const chunk = chunkOf(content);
      const known = this.random.chance(0.9) ? this.dig.chunks.find(chunk.hash) : undefined;
      const result = known ?? first + fresh.push({ chunk, content }) - 1;
      if (known !== undefined) this.count("dedup");
      numbers.set(content, result);
      return result;
    };
    const events: WalkEvent[] = [{ kind: "batch", sequence }];
    for (const operation of operations) {
      if (operation.kind === "write") events.push({ ...operation, value: { chunk: number(String(operation.value.chunk)), half: operation.value.half } });
      else if (operation.kind === "chunks") number(operation.chunks[0]!.content);
      else events.push(operation);
    }
    if (fresh.length === 0) return { events, durable: Promise.resolve() };
    events.splice(1, 0, { kind: "chunks", chunks: fresh.map(({ content }, i) => ({ number: first + i, content })) });
    return { events, durable: this.dig.chunks.store(fresh.map(({ chunk }) => chunk)).durable };
  }

  private acknowledge(sequence: number): void {
    if (!this.applied.has(sequence)) throw new Error(`batch ${sequence} is acknowledged and lost`);
    this.queue = this.queue.filter((batch) => batch.sequence > sequence);
  }

  async build(revision: number): Promise<void> {
    while (this.isBuilding) await this.world.pause("other build");
    const { trees } = this.dig;
    if (trees.list().some((info) => info.revision === revision) || revision < this.control.window) return;
    this.isBuilding = true;
    const base = trees.list().findLast((info) => info.revision < revision);
    const isAtEnd = !trees.list().some((info) => info.revision > revision);
    const target = new WalkProjection(this, base);
    if (isAtEnd) target.advance(revision);
    else target.advanceState(revision);
    if (!isAtEnd) this.count("middle");
    const chunks = [...target.touched].map((chunk) => {
      const death = target.deaths.get(chunk);
      return { chunk: chunk as ChunkNumber, delta: target.deltas.get(chunk) ?? 0, ...(death === undefined ? {} : { deathRevision: death as Revision }) };
    });
    const state = this.broken.has("bracket") ? settled(target.state) : target.state;
    const changes = changesBetween(this.loadTree(base), state);
    const chainHash = createHash("sha256").update(String(revision)).digest();
    const common = { revision: revision as Revision, chainHash, nextChunk: target.nextChunk as ChunkNumber, changes, chunks };
    await trees.build(base === undefined ? common : { ...common, base });
    if (isAtEnd) {
      const { cursor } = this.projection;
      this.projection = new WalkProjection(this, trees.list().at(-1));
      this.projection.advance(Math.max(revision, cursor));
    }
    this.isBuilding = false;
  }

  async open(): Promise<void> {
    this.world = new World(this.random);
    const options = { disk: this.disk.port(this.world), directory: "/m", hashKey: HASH_KEY, control: this.controls.opener(this.world, this.random) };
    this.dig = await this.world.until(openDig({ ...options, create: { uuid: UUID, quotaBytes: QUOTA_BYTES } }));
    if (this.dig.trees.needsRecount) await this.world.until(this.dig.trees.recount(referencesOf));
    if (!this.broken.has("fence")) this.append([{ kind: "opened" }]); // Shuts out appends of before (rule 14).
    await this.world.until(this.dig.chunks.giveBack(this.control.nextChunk as ChunkNumber));
    this.readers = [];
    this.tasks = new Map();
    this.inFlight = new Set();
    this.decided = this.control.sequence;
    this.isBuilding = false;
    this.projection = new WalkProjection(this, this.dig.trees.list().at(-1));
  }

  private async crash(): Promise<void> {
    this.count("crash");
    this.world.crash();
    this.disk.crash(this.random);
    const net = this.onTheNet;
    this.onTheNet = undefined;
    if (net !== undefined && net.head === this.head && this.random.chance(0.3)) this.appendBatch(net.sequence, net.operations, net.events);
    if (this.random.chance(0.25)) await loseControl(this);
    await this.open();
    if (net !== undefined && net.head === this.head && this.random.chance(0.5)) this.appendBatch(net.sequence, net.operations, net.events);
  }

  private start(name: string, action: () => Promise<void>): void {
    const run: Promise<void> = action().then(
      () => {
        if (this.tasks.get(name) === run) this.tasks.delete(name);
      },
      (error: unknown) => {
        this.failure ??= error;
      },
    );
    this.tasks.set(name, run);
  }

  private startOnce(name: string, action: () => Promise<void>): void {
    if (!this.tasks.has(name)) this.start(name, action);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** One step of the walk, and a look at one kept instant and one reader. */
  async stepAndLook(): Promise<void> {
    await this.act();
    this.checkInstant(this.random.pick(this.kept()));
    const reader = this.readers.at(-1);
    if (reader !== undefined) this.checkInstant(reader.revision, reader);
  }

  private async act(): Promise<void> {
    const { random } = this;
    const roll = random.next();
    if (roll < 0.14) this.startIngest();
    else if (roll < 0.62) for (let i = random.int(4); i >= 0; i--) await this.world.step();
    else if (roll < 0.72) this.project(random.chance(0.6));
    else if (roll < 0.745)
      this.append([{ kind: "snapshot", name: `s${this.nameCount++}`, revision: random.pick([...this.ends].filter((end) => end >= this.control.window)) }]);
    else if (roll < 0.77) this.dropSnapshot();
    else if (roll < 0.8) this.openReader();
    else if (roll < 0.83) this.closeReader();
    else if (roll < 0.87) this.startBuild();
    else if (roll < 0.9) this.startRebase();
    else if (roll < 0.955) this.startOnce("retire", () => retire(this));
    else if (roll < 0.97) this.startOnce("mend", () => this.mend());
    else if (roll < 0.985) await this.crash();
    else if (roll < 0.988) await this.settleAll();
    else if (roll < 0.993) this.append([{ kind: "purge", file: random.int(FILE_COUNT) }]);
    if (this.failure !== undefined) throw this.failure;
  }

  private startIngest(): void {
    const sending = [...this.tasks.keys()].filter((name) => name.startsWith("ingest"));
    if (sending.length >= 2) return;
    const waiting = (): typeof this.queue => this.queue.filter(({ sequence }) => !this.tasks.has(`ingest ${sequence}`));
    if (waiting().length === 0) this.queue.push({ sequence: this.nextSequence++, operations: randomOperations(this.random) });
    const batch = waiting()[0]!;
    this.start(`ingest ${batch.sequence}`, () => this.ingest(batch.sequence, batch.operations));
  }

  /** The projection waits while a tree is being folded (rule 5). */
  private project(isPartly: boolean): void {
    if (this.isBuilding) return;
    const ahead = [...this.ends].filter((end) => end > this.projection.cursor && end <= this.head);
    if (ahead.length > 0) this.projection.advance(isPartly ? this.random.pick(ahead) : Math.max(...ahead));
  }

  private dropSnapshot(): void {
    const names = [...this.control.snapshots.keys()];
    if (names.length > 4 || (names.length > 0 && this.random.chance(0.4))) this.append([{ kind: "drop", name: this.random.pick(names) }]);
  }

  private openReader(): void {
    if (this.readers.length >= 2) return;
    const revision = this.random.pick(this.kept());
    const tree = this.dig.trees.open(revision as Revision);
    const reading = this.dig.freeing.hold(revision as Revision);
    const hold = this.dig.freeing.holdEvents((tree?.info.revision ?? 0) as Revision);
    if (this.broken.has("events held")) hold.release();
    this.readers.push({ revision, tree, reading, hold });
    if (!this.broken.has("reader")) return;
    reading.release();
    (Reflect.get(tree ?? {}, "release") as (() => void) | undefined)?.(); // It still reads, and holds nothing.
  }

  private closeReader(): void {
    const reader = this.readers.pop();
    reader?.tree?.close();
    reader?.reading.release();
    reader?.hold.release();
  }

  private startBuild(): void {
    const newest = this.dig.trees.list().at(-1)?.revision ?? 0;
    const ends = [...this.ends].filter((end) => end > newest && end <= this.projection.cursor);
    if (ends.length > 0 && !this.tasks.has("build")) this.start("build", () => this.build(this.random.pick(ends)));
  }

  private startRebase(): void {
    const ends = [...this.ends].filter((end) => end > this.control.window && end <= this.projection.cursor).sort((a, b) => a - b);
    const early = ends.slice(0, Math.max(1, Math.floor((ends.length * 3) / 4)));
    if (early.length > 0 && !this.tasks.has("rebase")) this.start("rebase", () => rebase(this, this.random.pick(early)));
  }

  /** Writes the run of a live chunk anew elsewhere: only places change. What a state of before names may be purged. */
  private async mend(): Promise<void> {
    if (this.projection.cursor < this.head) return;
    const chunks = [...new Set([...this.projection.state].filter(([key]) => namesChunk(key)).map(([, { chunk }]) => Number(chunk)))];
    if (chunks.length === 0) return;
    const chunk = this.random.pick(chunks) as ChunkNumber;
    this.count("mended");
    await this.dig.chunks.mend(chunk, chunkOf(contentOf(this.dig.chunks.read(chunk))));
  }

  /** Comes to rest: nothing under way, no readers, all work done; then the store must hold exactly what is named. */
  private async settleAll(): Promise<void> {
    while (this.readers.length > 0) this.closeReader();
    for (let i = 0; this.tasks.size > 0 || this.queue.length > 0; i++) {
      if (i > 20_000) throw new Error(`does not come to rest: ${[...this.tasks.keys()].join()}`);
      if (this.queue.length > 0) this.startIngest();
      await this.world.step();
      this.project(false);
      if (this.failure !== undefined) throw this.failure;
    }
    const isPurging = this.random.chance(0.3);
    if (isPurging) this.append([{ kind: "purge", file: this.random.int(FILE_COUNT) }]);
    this.project(false);
    await this.world.until(this.build(this.head));
    for (let i = 0; i < 3; i++) await this.world.until(retire(this));
    if (isPurging) refuseUnpurged(this);
    await this.verify();
  }

  private async verify(): Promise<void> {
    for (const revision of this.kept()) this.checkInstant(revision);
    const problems = await this.world.until(collectProblems(this.dig));
    if (problems.length > 0) throw new Error(problemsText(problems));
    const unnamed = this.unnamedChunks();
    if (unnamed.length > 0) throw new Error(`chunks ${unnamed.join()} are kept and nothing names them`);
    this.count("quiet");
  }

  /** Chunks that no kept tree's span and no window event can name. */
  private unnamedChunks(): number[] {
    const live = new Set([...this.projection.state].filter(([key]) => namesChunk(key)).map(([, { chunk }]) => Number(chunk)));
    const found: number[] = [];
    for (let chunk = 1; chunk < this.control.nextChunk; chunk++) {
      const isStored = storedLength(this.dig, chunk) !== undefined;
      if (live.has(chunk) && !isStored) throw new Error(`chunk ${chunk} is live and lost`);
      if (!isStored || live.has(chunk) || this.isNamedSince(chunk)) continue;
      found.push(chunk);
    }
    return found;
  }

  private isNamedSince(chunk: number): boolean {
    const isOld = (revision: number): boolean => this.dig.trees.list().find((info) => info.revision === revision)!.nextChunk > chunk;
    // Between a chunk's birth and its last death a snapshot or a window event may lie: then it stays.
    const keepsSnapshot = this.dig.trees.list().some(({ revision }) => revision < this.head && isOld(revision));
    return keepsSnapshot || this.control.window < this.head;
  }

  /** Everything goes but the present: what is left is what one tree names. */
  async finish(): Promise<void> {
    await this.settleAll();
    for (const name of this.control.snapshots.keys()) this.append([{ kind: "drop", name }]);
    this.project(false);
    await this.world.until(rebase(this, this.head));
    this.project(false);
    await this.world.until(this.build(this.head)); // So that no chunk counts as touched since the newest tree.
    await this.world.until(rebase(this, this.head));
    await this.settleAll();
    const [last] = this.kept().slice(-1);
    await this.world.until(rebase(this, last!));
    for (let i = 0; i < 3; i++) await this.world.until(retire(this));
    await this.endCheck();
  }

  private async endCheck(): Promise<void> {
    const problems = await this.world.until(collectProblems(this.dig));
    if (problems.length > 0) throw new Error(problemsText(problems));
    const window = this.control.window;
    const state = this.loadTree(this.dig.trees.list().find((info) => info.revision === window));
    const live = new Set([...state].filter(([key]) => namesChunk(key)).map(([, { chunk }]) => Number(chunk)));
    for (let chunk = 1; chunk < this.control.nextChunk; chunk++) {
      const isStored = storedLength(this.dig, chunk) !== undefined;
      if (isStored !== live.has(chunk)) throw new Error(`at the end chunk ${chunk} is ${isStored ? "leaked" : "lost"}`);
    }
  }
}
