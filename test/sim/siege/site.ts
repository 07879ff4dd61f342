/** What all who work on the besieged stores share. */
import { isRainbowError } from "../../../src/core/index.ts";
import type { SeededRandom } from "../../support/random.ts";
import type { Stores } from "../power-cut/stores.ts";
import type { SetClock } from "./clock.ts";
import type { Model } from "./model.ts";

export interface Site {
  readonly stores: Stores;
  readonly random: SeededRandom;
  readonly clock: SetClock;
  readonly note: (...words: (string | number)[]) => void;
  /** As it was when the round began. */
  readonly model: Model;
}

/** Others get their turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Undefined where `action` found no room, or what it asked for is not kept any more. */
export async function ifPossible<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isRainbowError(error, "DISK_FULL", "QUOTA_FULL", "INSTANT_OUTSIDE")) return undefined;
    throw error;
  }
}
