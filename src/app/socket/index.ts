/**
 * The local socket: a running instance serves its table of operations to commands of the same user. Several requests share a
 * connection; a slow reader pauses only its own stream. Not a way in from the network, and no border between users: it is guarded by
 * file permissions alone.
 */
export { connect } from "./client.ts";
export type { Connected } from "./client.ts";
export { chooseSocketPath, notedSocket, noteSocket } from "./location.ts";
export { OPERATIONS_MANIFEST } from "./manifest.ts";
export type { Shape } from "./manifest.ts";
export { serveOperations } from "./serve-operations.ts";
export type { Serving } from "./server.ts";
