/** Runs the contract of EventStore on the store in memory and on the embedded one. */
import { join } from "node:path";
import { MemoryEventStore } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { eventStoreContract } from "./event-store-contract.ts";

eventStoreContract({ name: "memory", make: async () => new MemoryEventStore() });

let count = 0;
let path = "";
eventStoreContract({
  name: "lmdb",
  make: () => {
    path = join(temporaryDirectory("events"), `${count++}.lmdb`);
    return openLmdbEventStore({ path, create: true });
  },
  reopen: async (store) => {
    await store.close();
    return openLmdbEventStore({ path });
  },
});
