/**
 * Random suites serve two masters with one file: `npm test` runs a tenth of them, `npm run campaign -- NAME` the whole. A suite says the
 * whole count and asks `scale` for the count of this run. Its seed is fresh and printed, unless SEED names one to replay.
 */
import { randomInt } from "node:crypto";

/** 1 in a campaign, 0.1 under npm test. */
export const CAMPAIGN_SCALE = Number(process.env["RAINBOW_CAMPAIGN_SCALE"] ?? "0.1");
export const isCampaign = CAMPAIGN_SCALE >= 1;

/** How many of `campaignCount` rounds this run does; at least one. */
export function scale(campaignCount: number): number {
  return Math.max(1, Math.ceil(campaignCount * CAMPAIGN_SCALE));
}

const seed = process.env["SEED"] === undefined ? randomInt(2 ** 31) : Number(process.env["SEED"]);
let isPrinted = false;

/** The seed of this process, a non-negative 31-bit integer; prints, once, the line that the runner shows. */
export function campaignSeed(): number {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`SEED is a non-negative integer, not '${process.env["SEED"]}'`);
  if (!isPrinted) console.log(`\nSEED=${seed} replays it: SEED=${seed} npm test -- ${process.argv[1]?.replace(`${process.cwd()}/`, "") ?? ""}`);
  isPrinted = true;
  return seed;
}
