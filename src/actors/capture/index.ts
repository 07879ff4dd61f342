/** The state of this machine's protection, for people and for supervision. Not on the data path: batches never pass through it. */
export { captureActor, reasonsOf } from "./machine.ts";
export type { CaptureContext, CaptureSignal } from "./machine.ts";
