/**
 * The machine actor: the one appender of a machine's stream, and its life. Guarantees: an acknowledged batch is durable, batches are
 * taken in order, a repeat is answered and not stored. Not for answering readers: that is the projections' work.
 */
export { Ingest } from "./ingest.ts";
export type { Appended, IngestOptions } from "./ingest.ts";
export { machineActor } from "./machine.ts";
export type { MachineContext, MachineSignal } from "./machine.ts";
export { closeMachine, foldEnd, openMachine } from "./open.ts";
export type { OpenedMachine, OpenMachineOptions } from "./open.ts";
export { ownBatch } from "./own-batch.ts";
export { enrolmentOf, mirrorStreamOf, newestOfAll, newestRebased, noteRebased, rebasedAt, rebasedEvent, streamOf } from "./rebased.ts";
export type { NewestRebased, RebasedState } from "./rebased.ts";
export { evolve, INITIAL_STATE, judge, startEpoch } from "./state.ts";
export type { LastBatch, MachineState } from "./state.ts";
export { Turns } from "./turns.ts";
