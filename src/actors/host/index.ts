/** The host's life from opening to closing. Not for what a machine's stream says: that is the machine actor's. */
export { hostActor } from "./machine.ts";
export type { HostContext, HostSignal } from "./machine.ts";
