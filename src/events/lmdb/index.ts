/**
 * The embedded event store: one LMDB file for all streams of a host. It promises what the port promises; an append is durable when
 * it resolves (group commit). Damage is found before LMDB touches it: STORE_CORRUPT with file and page; salvageLmdbEventStore copies
 * what is sound into a new file. Layout: ../FORMAT.md.
 * Not for: several writing processes at once; the owner of the data directory holds the lock.
 */
export { salvageLmdbEventStore } from "./salvage.ts";
export type { SalvagedStream, SalvageReport } from "./salvage.ts";
export { openLmdbEventStore } from "./store.ts";
export type { LmdbEventStoreOptions } from "./store.ts";
