/** The agent's memory in one LMDB file. Keys are raw bytes; a write is durable when it resolves. Not for what the host keeps. */
export { MEMORY_FILE, openMemoryRows } from "./row-store.ts";
