/**
 * What must hold after a crash, from the notes of the besieged writer and from what the checks before found. A note with a question
 * mark stands before the step that it tells of, one without after it: what lies between may be so or not.
 */
import type { Epoch } from "../../../src/core/index.ts";
import type { Script } from "./facts.ts";

export const NOTES = "notes";

export interface NamedInstant {
  readonly revision: number;
  readonly pinned: boolean;
  /** Acknowledged; else it may be there or not. */
  isTaken: boolean;
  /** Somebody began to drop it, or a policy may have. */
  isDoubtful: boolean;
}

export interface Model {
  script: Script;
  /** Batches acknowledged, by count from the first one. */
  acknowledgedCount: number;
  /** The last revision of each batch, by its index; 0 where it is not known. */
  readonly revisions: number[];
  readonly snapshots: Record<string, NamedInstant>;
  /** The window begins here or later: that was committed. */
  window: number;
  /** It may begin at one of these. */
  targets: number[];
  /** A policy was carried out: it may begin anywhere. */
  isFreeToMove: boolean;
  clockUs: number;
}

export function newModel(): Model {
  return { script: [], acknowledgedCount: 0, revisions: [], snapshots: {}, window: 0, targets: [], isFreeToMove: false, clockUs: 1_700_000_000_000_000 };
}

/** The model after these notes. */
export function noted(before: Model, lines: readonly string[]): Model {
  const model = structuredClone(before);
  const script = [...model.script];
  let epoch = 0 as Epoch;
  for (const line of lines) {
    const [what = "", first = "", second = "", third = ""] = line.split(" ");
    if (what === "session") [epoch, script.length] = [Number(first) as Epoch, Number(second)];
    else if (what === "sent") script[Number(first)] = epoch;
    else if (what === "ack") {
      model.acknowledgedCount = Math.max(model.acknowledgedCount, Number(first) + 1);
      model.revisions[Number(first)] = Number(second);
    } else if (what === "clock") model.clockUs = Number(first);
    else notedByPeople(model, what, first, second, third);
  }
  model.script = script;
  return model;
}

function notedByPeople(model: Model, what: string, first: string, second: string, third: string): void {
  const snapshot = model.snapshots[first];
  if (what === "snapshot?") model.snapshots[first] = { revision: Number(second), pinned: third === "pinned", isTaken: false, isDoubtful: false };
  else if (what === "snapshot" && snapshot !== undefined) snapshot.isTaken = true;
  else if (what === "drop?" && snapshot !== undefined) snapshot.isDoubtful = true;
  else if (what === "drop" || what === "refused") delete model.snapshots[first];
  else if (what === "move?") model.targets.push(Number(first));
  else if (what === "move") model.window = Math.max(model.window, Number(first));
  else if (what === "look?") {
    model.isFreeToMove = true;
    for (const each of Object.values(model.snapshots)) each.isDoubtful ||= !each.pinned;
  }
}

/** What a check found to be so: the next round begins with it. */
export interface Found {
  readonly storedCount: number;
  /** By index; 0 where it is before the window. */
  readonly revisions: readonly number[];
  readonly window: number;
  readonly snapshots: readonly string[];
}

export function settledModel(before: Model, found: Found): Model {
  const model = structuredClone(before);
  model.script = model.script.slice(0, found.storedCount);
  model.acknowledgedCount = found.storedCount;
  model.revisions.length = Math.min(model.revisions.length, found.storedCount);
  found.revisions.forEach((revision, i) => {
    if (revision > 0) model.revisions[i] = revision;
  });
  for (const [name, snapshot] of Object.entries(model.snapshots)) {
    if (!found.snapshots.includes(name)) delete model.snapshots[name];
    else model.snapshots[name] = { ...snapshot, isTaken: true, isDoubtful: false };
  }
  return { ...model, window: found.window, targets: [], isFreeToMove: false };
}
