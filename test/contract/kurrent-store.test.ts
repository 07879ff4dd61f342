/** Runs the contract of EventStore on the adapter of EventStoreDB: against the stand-in server, and against a real one where RAINBOW_ESDB_URL names it. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { suite } from "uvu";
import { openKurrentEventStore } from "../../src/events/kurrent/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { NamespacedStore } from "../support/namespaced-store.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { eventStoreContract } from "./event-store-contract.ts";

function contractOn(name: string, address: string): void {
  const openIn = async (prefix: string): Promise<EventStore> => new NamespacedStore(await openKurrentEventStore({ address }), prefix);
  eventStoreContract({
    name,
    isShared: true,
    make: () => openIn(`${randomUUID()}-`),
    reopen: async (store) => {
      await store.close();
      return openIn((store as NamespacedStore).prefix);
    },
  });
}

const standIn = await StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"));
contractOn("adapter, stand-in server", standIn.address);

const url = process.env["RAINBOW_ESDB_URL"];
if (url !== undefined) contractOn("adapter, real server", url);
else {
  const test = suite("event store: adapter, real server");
  test("the contract on a real server", () => skipped("event store: adapter, real server", "RAINBOW_ESDB_URL names none"));
  test.run();
}
