/**
 * The stand-in server answers the bare client as a real one did, expectation by expectation; the same vectors hold a real server, where
 * RAINBOW_ESDB_URL names one, to what was measured.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KurrentDBClient } from "@kurrent/kurrentdb-client";
import type { AppendStreamState, EventData } from "@kurrent/kurrentdb-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAddress } from "../../src/events/kurrent/index.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

interface Step {
  readonly stream?: string;
  readonly append?: readonly string[];
  readonly expected?: number | "any" | "no_stream" | "stream_exists";
  readonly otherData?: boolean;
  readonly revision?: number;
  readonly positioned?: boolean;
  readonly conflict?: number;
  readonly read?: string | null;
}

const VECTORS = new URL("../vectors/events/eventstoredb-client.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as { readonly cases: readonly { readonly case: string; readonly steps: readonly Step[] }[] };

function eventOf(space: string, name: string, otherData: boolean): EventData {
  const hex = createHash("md5").update(`${space}${name}`).digest("hex");
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  return { id, contentType: "application/json", type: otherData ? "Other" : "Tested", data: { name: otherData ? "other" : name }, metadata: undefined };
}

async function runStep(client: KurrentDBClient, space: string, step: Step): Promise<void> {
  const stream = `${space}-${step.stream ?? "main"}`;
  if (step.append === undefined) return assert.is(await read(client, stream), step.read);
  const events = step.append.map((name) => eventOf(space, name, step.otherData === true));
  const streamState = (typeof step.expected === "number" ? BigInt(step.expected) : step.expected) as AppendStreamState;
  const outcome = await client.appendToStream(stream, events, { streamState }).then(
    ({ nextExpectedRevision, position }) => ({ revision: Number(nextExpectedRevision), positioned: position !== undefined }),
    (error: { readonly type?: string; readonly actualState?: bigint | string }) =>
      error.type === "wrong-expected-version" ? { conflict: typeof error.actualState === "bigint" ? Number(error.actualState) : -1 } : { refused: error.type },
  );
  const { revision, positioned, conflict } = step;
  assert.equal(outcome, conflict === undefined ? { revision, positioned } : { conflict }, JSON.stringify(step));
}

/** null where there is no such stream. */
async function read(client: KurrentDBClient, stream: string): Promise<string | null> {
  const seen: string[] = [];
  try {
    for await (const { event } of client.readStream(stream)) seen.push(`${event?.revision}:${(event?.data as { readonly name?: string } | undefined)?.name}`);
    return seen.join(" ");
  } catch (error) {
    if ((error as { readonly type?: string }).type === "stream-not-found") return null;
    throw error;
  }
}

function vectorsOn(name: string, address: string): void {
  const test = suite(`vectors of the server: ${name}`);
  const client = KurrentDBClient.connectionString(parseAddress(address).connectionString);
  test.before(() => client.appendToStream(`warm-${randomUUID()}`, [], { streamState: "any" }).then(() => undefined));
  test.after(() => client.dispose());
  for (const vector of cases) {
    test(vector.case, async () => {
      const space = randomUUID();
      for (const step of vector.steps) await runStep(client, space, step);
      console.log(`\nCASE passed  ${name}: ${vector.case}`);
    });
  }
  test.run();
}

const server = await StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"));
vectorsOn("stand-in server", server.address);

const url = process.env["RAINBOW_ESDB_URL"];
if (url !== undefined) vectorsOn("real server", url);
else {
  const test = suite("vectors of the server: real server");
  test("the vectors on a real server", () => skipped("vectors of the server: real server", "RAINBOW_ESDB_URL names none"));
  test.run();
}
