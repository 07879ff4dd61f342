/** The pages of a file on the disk, which is only read: never mapped. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { scanLmdbPages } from "../../core/index.ts";
import type { EntryVisitor, PageSource, ScanReport } from "../../core/index.ts";

export interface OpenPages extends PageSource {
  close(): void;
}

export function openPages(path: string): OpenPages {
  const fd = openSync(path, "r");
  return {
    read: (into, offsetBytes) => readSync(fd, into, 0, into.length, offsetBytes),
    get sizeBytes() {
      return fstatSync(fd).size;
    },
    close: () => closeSync(fd),
  };
}

/** Scans the event store at `path`. Throws only where the file cannot be read. */
export function scanFile(path: string, visit?: EntryVisitor): ScanReport {
  const pages = openPages(path);
  try {
    return scanLmdbPages(pages, "tables", visit);
  } finally {
    pages.close();
  }
}
