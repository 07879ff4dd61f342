/** Composes one restore: its parts, the machine that drives them, and the iteration over its items. */
import { createActor, fromPromise } from "xstate";
import { displayOf, RainbowError } from "../../core/index.ts";
import type { NodeRecord } from "../../projections/index.ts";
import { RUN_BYTES_MAX } from "./file-content.ts";
import type { RestoreOutput } from "./items.ts";
import { LeafWriter } from "./leaf-writer.ts";
import { restoreMachine } from "./machine.ts";
import { Metadata } from "./metadata.ts";
import { NodeMaker } from "./node-maker.ts";
import { Outlet } from "./outlet.ts";
import { Pace } from "./pace.ts";
import { Parents } from "./parents.ts";
import type { Policy } from "./plan.ts";
import type { RemovalRules } from "./removal.ts";
import { Report } from "./report.ts";
import type { RestorePlan, RestoreRequest } from "./request.ts";
import { selectionOf } from "./selection.ts";
import { survey } from "./survey.ts";
import { chooseTarget, markerText, removeMarker, writeMarker } from "./target.ts";
import type { Target } from "./target.ts";
import { TreeWriter } from "./tree-writer.ts";

const NODE_TIME_TOLERANCE_NANOS = 1000; // Node sets times through doubles.

/**
 * Restores one node, with everything below it, and tells of each name. The last item is the summary. Throws TARGET_REFUSED before
 * anything is changed, DISK_FULL and IO where nothing more can be written, and the signal's reason on abort; in all of these cases the
 * same request later goes on where this one stopped. What fails for one path alone is an item, and the rest goes on.
 * Leaving the iteration early stops the restore before the next file, and waits for that.
 */
export async function* restore(request: RestoreRequest): AsyncGenerator<RestoreOutput, void, undefined> {
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(request.signal?.reason);
  request.signal?.addEventListener("abort", onAbort);
  if (request.signal?.aborted === true) onAbort();
  const outlet = new Outlet();
  const run = new Run(request, outlet, abort.signal);
  const actor = createActor(
    restoreMachine.provide({
      actors: {
        surveyTree: fromPromise(() => run.plan()),
        askHolder: fromPromise(({ input }: { input: RestorePlan }) => run.ask(input)),
        writeTree: fromPromise(({ input }: { input: RestorePlan }) => run.write(input)),
        finishTarget: fromPromise(() => run.finish()),
      },
    }),
    { input: { isHeld: request.hold !== undefined, isDryRun: request.options.dryRun } },
  );
  const ended = new Promise<void>((resolve) => {
    actor.subscribe({
      complete: () => {
        const { value, context } = actor.getSnapshot();
        if (value === "failed") outlet.fail(context.failure);
        else {
          run.summarize();
          outlet.finish();
        }
        resolve();
      },
    });
  });
  actor.start();
  try {
    yield* outlet.read();
  } finally {
    abort.abort(); // A reader that went away; of no effect once all is done.
    await ended;
    request.signal?.removeEventListener("abort", onAbort);
  }
}

/** The effects of one restore. */
class Run {
  private readonly request: RestoreRequest;
  private readonly outlet: Outlet;
  private readonly report: Report;
  private readonly pace: Pace;
  private readonly metadata: Metadata;
  private readonly parents: Parents;
  private chosen: { readonly record: NodeRecord; readonly target: Target; readonly policy: Policy } | undefined;
  private writer: TreeWriter | undefined;

  constructor(request: RestoreRequest, outlet: Outlet, signal: AbortSignal) {
    this.request = request;
    this.outlet = outlet;
    this.report = new Report(outlet);
    this.pace = new Pace(request.clock, signal, outlet, () => this.report.progress());
    this.metadata = new Metadata(request.os);
    this.parents = new Parents(request.os, request.view);
  }

  async plan(): Promise<RestorePlan> {
    const { os, view, node, options } = this.request;
    const record = view.node(node);
    if (record === undefined) throw new RainbowError("NOT_FOUND", `'${displayOf(this.request.path)}' is not in the view`, { node });
    const target = chooseTarget(this.request, record);
    const policy: Policy = {
      mode: target.mode,
      delete: options.delete,
      dryRun: options.dryRun,
      timeToleranceNanos: os.source === "node" ? NODE_TIME_TOLERANCE_NANOS : 0,
    };
    this.chosen = { record, target, policy };
    this.report.enter("planning");
    const removal = policy.delete && record.kind === "directory" ? this.removal(policy) : undefined;
    const isThere = target.existing?.kind === "directory";
    return survey({ os, view, selection: this.selection(), pace: this.pace, removal }, record, target.path, isThere);
  }

  async ask(plan: RestorePlan): Promise<boolean> {
    return this.request.hold === undefined || (await this.request.hold(plan));
  }

  async write(plan: RestorePlan): Promise<void> {
    const { os, view, request, metadata, pace, report } = this;
    const { record, target, policy } = this.chosen!;
    report.enter("writing", plan);
    if (!policy.dryRun && request.target === request.path) this.parents.prepare(request.target);
    const scratch = Buffer.allocUnsafeSlow(RUN_BYTES_MAX);
    const maker = new NodeMaker({ os, view, metadata, pace, report, scratch, token: request.clock.now().toString(36) });
    const removal = this.removal(policy);
    const isExclusive = request.exclusive === true;
    const leaves = new LeafWriter({ os, view, policy, isExclusive, maker, metadata, removal, pace, report, scratch });
    const onTopMade = (): void => {
      if (policy.mode !== "overwrite") writeMarker(os, target.path, markerText(request, record));
    };
    this.writer = new TreeWriter({ os, view, policy, selection: this.selection(), leaves, metadata, removal, pace, report, onTopMade });
    await this.writer.write(record, target.path, target.existing);
    if (policy.dryRun) this.writer.settleTop();
  }

  async finish(): Promise<void> {
    const { record, target } = this.chosen!;
    this.report.enter("finishing");
    await this.request.sync?.(target.path);
    if (record.kind === "directory") removeMarker(this.os, target.path);
    this.writer?.settleTop();
    this.parents.settle(this.metadata, this.report);
    const { inexactTimeCount } = this.metadata;
    if (inexactTimeCount > 0) {
      this.report.item(target.path, "metadata-failed", `modification times of ${inexactTimeCount} nodes are exact to the microsecond only (no addon)`);
    }
  }

  /** Nothing is told of a restore that was declined but that it did nothing. */
  summarize(): void {
    this.outlet.put({ type: "summary", ...this.report.tally() });
  }

  private get os(): RestoreRequest["os"] {
    return this.request.os;
  }

  private get view(): RestoreRequest["view"] {
    return this.request.view;
  }

  private selection(): ReturnType<typeof selectionOf> {
    return selectionOf(this.request.options.include, this.request.options.exclude);
  }

  private removal(policy: Policy): RemovalRules {
    return { os: this.os, pace: this.pace, dryRun: policy.dryRun, keep: this.request.keep ?? (() => undefined) };
  }
}
