/**
 * The host in this process: stores, machine actor and, where it protects, capture and upload, composed and closed in order.
 * Everything that reads or changes a machine goes through the machine actor's current opening.
 */
import { join } from "node:path";
import { filter, firstValueFrom } from "rxjs";
import { createActor, fromPromise, waitFor } from "xstate";
import type { Actor } from "xstate";
import { agesInAudit, auditStreamOf, Trail } from "../actors/audit/index.ts";
import { captureActor } from "../actors/capture/index.ts";
import { hostActor } from "../actors/host/index.ts";
import { closeMachine, machineActor, openMachine, streamOf } from "../actors/machine/index.ts";
import type { OpenedMachine } from "../actors/machine/index.ts";
import { agesOf, Keeper, retentionActor } from "../actors/retention/index.ts";
import type { RetentionState } from "../actors/retention/index.ts";
import { BatchSource, sendBatches, uploadActor } from "../actors/upload/index.ts";
import type { Capture, FlushReport } from "../capture/index.ts";
import { RainbowError } from "../core/index.ts";
import type { BatchAcknowledged, Clock, HostLink, Random, Revision } from "../core/index.ts";
import type { Dig } from "../dig/index.ts";
import { NO_STREAM } from "../events/index.ts";
import type { EventStore } from "../events/index.ts";
import { LiveState } from "./status.ts";
import type { Head } from "./status.ts";

/** What a close could not make durable is in the files alone; the next start finds it. */
export interface Unfinished {
  readonly reason: string;
  /** Agent time up to which everything is durable; 0 or undefined where that is not known. */
  readonly durableUntilUs: number | undefined;
}

export interface HostOptions {
  readonly directory: string;
  readonly machine: string;
  readonly label: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly openStore: () => Promise<EventStore>;
  /** Free bytes of the disk that the stores lie on. */
  readonly freeBytes: () => number;
  readonly openDig: (directory: string, hashKey: Buffer, isNew: boolean) => Promise<Dig>;
  /** Absent: nothing is captured, people's commands alone are served. */
  readonly capture?: Capture;
  /** Retention has looked at the machine: others are next. */
  readonly alsoLook?: (signal: AbortSignal) => Promise<void>;
  /** Called before the event store is closed. */
  readonly beforeClosing?: () => Promise<void>;
  /** Called with the open event store, before the machine is opened. */
  readonly beforeOpening?: (store: EventStore) => Promise<void>;
  readonly onReplay: (doneEvents: number, allEvents: number) => void;
}

export class Host {
  readonly live = new LiveState();
  readonly captureState = createActor(captureActor);
  private readonly options: HostOptions;
  private readonly host: Actor<ReturnType<Host["hostLogic"]>>;
  private readonly stopping = new AbortController();
  private store: EventStore | undefined;
  private machine: Actor<ReturnType<Host["machineLogic"]>> | undefined;
  readonly keeper: Keeper;
  /** Who asked for what. */
  readonly trail: Trail;
  private retention: Actor<ReturnType<Host["retentionLogic"]>> | undefined;
  private upload: Actor<ReturnType<Host["uploadLogic"]>> | undefined;
  private stopListening: () => void = () => undefined;
  private unfinished: Unfinished | undefined;

  constructor(options: HostOptions) {
    this.options = options;
    const { clock, freeBytes } = options;
    this.keeper = new Keeper({ machine: () => this.opened(), store: () => this.eventStore, clock, freeBytes });
    this.trail = new Trail({ store: () => this.eventStore, stream: auditStreamOf(options.machine), clock });
    this.host = createActor(this.hostLogic());
  }

  /** Resolves when the machine serves; rejects with the reason where it cannot be opened (everything is closed again then). */
  async start(): Promise<void> {
    this.captureState.start();
    this.host.start();
    const reached = await waitFor(this.host, (snapshot) => snapshot.matches("running") || snapshot.status === "done", { timeout: Number.POSITIVE_INFINITY });
    if (reached.status === "done") throw reached.context.failure;
  }

  /** Drains and closes; a second call while draining skips the wait. Resolves with what could not be made durable; rejects where closing failed. */
  async close(): Promise<Unfinished | undefined> {
    this.host.send({ type: "CLOSE" });
    const reached = await waitFor(this.host, (snapshot) => snapshot.status === "done", { timeout: Number.POSITIVE_INFINITY });
    if (reached.matches("failed") && reached.context.failure !== undefined) throw reached.context.failure;
    return this.unfinished;
  }

  /** The machine as it is open now. BUSY while it is being opened anew. */
  opened(): OpenedMachine {
    const snapshot = this.machine?.getSnapshot();
    const opened = snapshot?.context.opened;
    if (opened !== undefined) return opened;
    throw new RainbowError("BUSY", "the host is opening its stores: ask again in a moment", {}, snapshot?.context.failure);
  }

  /** How far the machine's stream is; nothing while the host opens its stores anew. */
  witness(): ReturnType<OpenedMachine["projection"]["witness"]> {
    const opened = this.machine?.getSnapshot().context.opened;
    return opened?.projection.witness() ?? { revision: NO_STREAM, chainHash: "" };
  }

  get eventStore(): EventStore {
    if (this.store === undefined) throw new RainbowError("BUSY", "the event store is not open");
    return this.store;
  }

  private hostLogic() {
    return hostActor.provide({
      actors: {
        open: fromPromise(() => this.open()),
        drain: fromPromise(() => this.drain()),
        close: fromPromise(() => this.closeStores()),
      },
    });
  }

  private machineLogic() {
    const { options } = this;
    return machineActor.provide({
      actors: {
        open: fromPromise(() =>
          openMachine({
            stream: streamOf(options.machine),
            enrol: (identity) => ({ type: "MachineEnrolled", machine: options.machine, label: options.label, ...identity }),
            version: options.version,
            quiet: options.capture === undefined,
            store: this.eventStore,
            openDig: (hashKey, isNew) => options.openDig(join(options.directory, "machines", options.machine), hashKey, isNew),
            clock: options.clock,
            random: options.random,
            onReplay: options.onReplay,
            onFailed: (cause) => this.machine?.send({ type: "INGEST_FAILED", cause }),
          }),
        ),
        close: fromPromise(({ input }: { input: OpenedMachine | undefined }) => closeMachine(input)),
      },
    });
  }

  private retentionLogic() {
    const { keeper, options } = this;
    return retentionActor.provide({
      actors: {
        look: fromPromise(async () => {
          const machine = this.opened();
          const context = { machine, store: this.eventStore, clock: options.clock, signal: this.stopping.signal };
          const report = await machine.rebasing.take(() => keeper.look(context));
          await this.trimTrail();
          await options.alsoLook?.(this.stopping.signal);
          return report;
        }),
      },
    });
  }

  /** The audit is kept as long as snapshots are. */
  private async trimTrail(): Promise<void> {
    const { keepUs, acceptedUs } = this.keeper.policy();
    const nowUs = this.options.clock.now();
    const points = await this.keeper.treeTimes();
    await this.trail.trim({ keepUs, nowUs, agesOf: agesInAudit(points, (all) => agesOf(all, nowUs, acceptedUs).ages) });
  }

  /** Aborts when the host closes. */
  get stopSignal(): AbortSignal {
    return this.stopping.signal;
  }

  /** What retention said last; undefined where it does not run. */
  retentionState(): RetentionState | undefined {
    return this.retention?.getSnapshot().context;
  }

  private uploadLogic() {
    const { capture, clock } = this.options;
    if (capture === undefined) throw new RainbowError("USAGE", "this host captures nothing");
    const source = new BatchSource(capture);
    let epoch = 0;
    return uploadActor.provide({
      actors: {
        connect: fromPromise(async () => {
          const session = await (await this.opened().ingest()).openSession();
          epoch = session.epoch;
          await capture.start(session);
        }),
        send: fromPromise(async () => {
          await sendBatches({
            capture,
            source,
            epoch,
            clock,
            link: await this.link(),
            signal: this.stopping.signal,
            onAcknowledged: (ack) => this.acknowledged(ack),
            onFull: (cause) => this.block(cause),
          });
        }),
      },
    });
  }

  /** Sends to the opening of the moment; counts what is under way. */
  private async link(): Promise<HostLink> {
    const ingest = await this.opened().ingest();
    const { unacknowledged } = this.live;
    return {
      openSession: () => ingest.openSession(),
      send: async (batch) => {
        unacknowledged.next(unacknowledged.value + 1);
        try {
          return await ingest.send(batch);
        } finally {
          unacknowledged.next(unacknowledged.value - 1);
        }
      },
    };
  }

  private acknowledged({ epoch, sequence, revision }: BatchAcknowledged): void {
    this.live.head.next({ epoch, sequence, revision });
  }

  /** Flushes until what it brought is durable: a session that is lost meanwhile takes its batches along, and the next one is asked again. */
  async flush(capture: Capture, isFull: boolean): Promise<FlushReport & { readonly revision: Revision }> {
    for (;;) {
      const report = await capture.flush(isFull);
      const revision = await this.acknowledgedThrough(report);
      if (revision !== undefined) return { ...report, revision };
    }
  }

  /** The revision of the newest batch once the batch `sequence` of `epoch` is durable (0: whatever there is); undefined where a later session began before. */
  private async acknowledgedThrough({ epoch, sequence }: FlushReport): Promise<Revision | undefined> {
    if (sequence === 0) return (await this.eventStore.info(this.opened().stream)).headRevision;
    const isReached = (head: Head): boolean => head.epoch > epoch || (head.epoch === epoch && head.sequence >= sequence);
    const reached = await firstValueFrom(this.live.head.pipe(filter(isReached)));
    return reached.epoch === epoch ? (reached.revision as Revision) : undefined;
  }

  private block(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : "";
    this.live.blockedBy.next(reason);
    if (reason !== "") this.retention?.send({ type: "PRESSED" });
    this.captureState.send(reason === "" ? { type: "UNBLOCKED" } : { type: "BLOCKED", reason });
  }

  private async open(): Promise<void> {
    this.store = await this.options.openStore();
    await this.options.beforeOpening?.(this.store);
    this.machine = createActor(this.machineLogic());
    this.machine.start();
    const reached = await waitFor(this.machine, (snapshot) => snapshot.matches("serving") || snapshot.matches("broken"), { timeout: Number.POSITIVE_INFINITY });
    if (reached.matches("broken")) throw reached.context.failure;
    this.machine.subscribe((snapshot) => {
      if (snapshot.matches("broken")) this.host.send({ type: "BROKEN", cause: snapshot.context.failure });
    });
    this.startUpload();
  }

  private startUpload(): void {
    const { capture } = this.options;
    if (capture === undefined) return;
    this.stopListening = capture.onStatus((status) => {
      this.live.capture.next(status);
      this.captureState.send({ type: "STATUS", status });
    });
    this.upload = createActor(this.uploadLogic());
    this.upload.start();
    this.retention = createActor(this.retentionLogic());
    this.retention.start();
  }

  private async drain(): Promise<void> {
    await this.options.capture?.stop();
    if (this.upload === undefined) return;
    this.upload.send({ type: "DRAIN" });
    const whereFull = this.live.blockedBy.subscribe((reason) => {
      if (reason !== "") this.stopping.abort(); // Nobody knows when there will be room: the next start finds what is left.
    });
    await waitFor(this.upload, (snapshot) => snapshot.status === "done", { timeout: Number.POSITIVE_INFINITY });
    whereFull.unsubscribe();
  }

  /** What capture held is not all at the host: why, and up to when everything is. */
  private noteUnfinished(): void {
    const upload = this.upload?.getSnapshot();
    if (upload === undefined || (upload.status === "done" && upload.context.failure === undefined)) return;
    const { failure } = upload.context;
    const reason = failure instanceof Error ? failure.message : "it was not waited for";
    this.unfinished = { reason, durableUntilUs: this.machine?.getSnapshot().context.opened?.projection.knownUntilUs() };
  }

  private async closeStores(): Promise<void> {
    this.noteUnfinished();
    this.stopping.abort();
    this.stopListening();
    this.retention?.stop();
    await this.options.capture?.stop();
    await this.machine?.getSnapshot().context.opened?.rebasing.take(() => Promise.resolve()); // A look that is under way ends at its next step.
    if (this.machine !== undefined) {
      this.machine.send({ type: "CLOSE" });
      await waitFor(this.machine, (snapshot) => snapshot.status === "done", { timeout: Number.POSITIVE_INFINITY });
    }
    this.upload?.stop();
    await this.trail.close();
    await this.options.beforeClosing?.();
    await this.store?.close();
    this.captureState.send({ type: "STOP" });
  }

  /** The first session is open: capture runs. Rejects where the host closes before. */
  async capturing(): Promise<void> {
    if (this.upload === undefined) return;
    await waitFor(this.upload, (snapshot) => snapshot.matches("sending") || snapshot.status === "done", { timeout: Number.POSITIVE_INFINITY });
  }
}
