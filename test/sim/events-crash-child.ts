/** Appends to an event store without end and says each append that was acknowledged, until it is killed. */
import { writeSync } from "node:fs";
import type { Epoch, NodeId, TimeUs, ChunkNumber } from "../../src/core/index.ts";
import { ChainedStream } from "../../src/events/index.ts";
import type { MachineEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";

const [, , path = "", label = ""] = process.argv;
const store = await openLmdbEventStore({ path, create: true });
const STREAMS = ["machine-a", "machine-b"];

function batch(stream: string, sequence: number): MachineEvent[] {
  const length = 1 + ((sequence * 7) % 40);
  return Array.from({ length }, (_, i): MachineEvent => ({
    type: "ExtentsWritten",
    node: (stream.length + i) as NodeId,
    extents: [{ offset: i * 4096, length: 4096, chunk: (sequence * 100 + i) as ChunkNumber, chunkOffset: 0 }],
  }));
}

async function run(stream: string, inFlight: number): Promise<void> {
  const chained = await ChainedStream.open(store, stream);
  let sequence = 1;
  const work = async (): Promise<void> => {
    for (;;) {
      const own = sequence++;
      const time = own as TimeUs;
      const appended = await chained.append(batch(stream, own), {
        agentTimeUs: time,
        monotonicUs: own,
        hostTimeUs: time,
        epoch: 1 as Epoch,
        sequence: own,
        correlation: label,
      });
      writeSync(1, `${stream} ${appended.revision} ${appended.chainHash.toString("hex")}\n`); // Synchronous: said before the next step.
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

console.log("READY");
await Promise.all(STREAMS.map((stream, i) => run(stream, 1 + i * 7)));
