/** What an LMDB file says of itself, page by page, for the three files that Rainbow keeps in LMDB. Reads bytes; knows no library and no disk. */
export { GiveBack, oldestReaderOf } from "./give-back.ts";
export { isFreshMeta, PAGE_BYTES as LMDB_PAGE_BYTES } from "./layout.ts";
export { readPlace, scanLmdbPages } from "./scan.ts";
export { scatteredEntries } from "./scattered.ts";
export type { EntryVisitor, PageProblem, PageSource, Place, ScanReport, TableLayout } from "./scan.ts";
