/** Limits of every length inside an event, each with its reason. A writer asserts them, a reader refuses what is over them. */

export const NAME_BYTES_MAX = 4096; // A root's "name" under the machine is its absolute path; PATH_MAX is 4096.
export const LINK_TARGET_BYTES_MAX = 4096; // PATH_MAX.
export const XATTR_NAME_BYTES_MAX = 255; // XATTR_NAME_MAX.
export const XATTR_VALUE_BYTES_MAX = 65_536; // XATTR_SIZE_MAX.
export const XATTRS_MAX = 10_000; // XATTR_LIST_MAX is 64 KiB of names of at least 7 bytes each with their ends.
export const EXTENTS_MAX = 65_536; // One event of whole 4 KiB blocks then covers 256 MiB.
export const CHUNKS_MAX = 65_536; // 2 MiB of hashes; far over what one batch holds.
export const CORRELATION_BYTES_MAX = 200;
export const PROCESS_NAME_BYTES_MAX = 255; // Linux has 15 (TASK_COMM_LEN), others the name of a file.
export const PATHS_MAX = 16; // Of one request in an audit: whoever names more means a folder.
export const TYPE_BYTES_MAX = 200;
export const TEXT_BYTES_MAX = 65_536; // Of any one text in a JSON event.
export const JSON_BYTES_MAX = 4 << 20; // Policies, rules and the state of a rebase.
export const NODE_RUNS_MAX = 30_000; // Of one purge: its fact stays below the 1 MiB of a tree's value.
export const ID_BYTES = 16;
export const HASH_BYTES = 32;
