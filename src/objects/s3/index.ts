/**
 * The object store over a bucket of any S3 server: path style, multipart uploads while bytes arrive, copies inside the store.
 * Promises beyond the port: what is answered is durable; an upload holds three parts in memory; a bucket that vanished is not made
 * anew. The client library is loaded when the first store is opened. Not for: buckets that others write to at the same keys.
 */
export { bucketNameOf, isBucketName } from "./bucket-name.ts";
export { openS3Store } from "./open.ts";
export type { S3StoreOptions } from "./open.ts";
export { profileSettings } from "./profile.ts";
