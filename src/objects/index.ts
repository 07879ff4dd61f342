/**
 * Where the payload of mirrors lies: the ObjectStore port; directory/ keeps a plain tree, s3/ a bucket.
 * FORMAT.md says how a mirror looks to other programs.
 * Guarantees: a key shows all of an object or what was there before; what `settle` has answered survives a power cut; memory is
 * bounded for each upload. Not for: knowing what is stored (the file list does), or deciding what to store.
 */
export { checkKey, parentKey } from "./keys.ts";
export { TOP_KEY } from "./object-store.ts";
export type {
  ByteRange,
  FailedDeletion,
  ListOptions,
  NewObject,
  NewUpload,
  ObjectDigest,
  ObjectKind,
  ObjectMetadata,
  ObjectName,
  ObjectPlace,
  ObjectStore,
  ObjectStoreFeatures,
  ReadOptions,
  StoredObject,
  Upload,
} from "./object-store.ts";
