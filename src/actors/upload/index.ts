/** Upload: carries batches from capture to the host in one session after another. Not for deciding what is captured. */
export { uploadActor } from "./machine.ts";
export type { UploadContext, UploadSignal } from "./machine.ts";
export { BatchSource, sendBatches } from "./send.ts";
export type { SendOptions } from "./send.ts";
