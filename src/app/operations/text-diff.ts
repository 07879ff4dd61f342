/** What changed between two versions of a text file, as a unified diff (jsdiff). Binary and huge files have none. */
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";

const TEXT_BYTES_MAX = 4 << 20; // A diff that a person reads; beyond it only time and memory would be spent.
const EDITS_MAX = 4000; // Myers' algorithm is quadratic in the edits: these take well under a second, and the host does nothing else meanwhile.

/** A file's whole bytes where it may be shown as text, else undefined. */
export async function textOf(sizeBytes: number, parts: () => AsyncIterable<Buffer>): Promise<string | undefined> {
  if (sizeBytes > TEXT_BYTES_MAX) return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of parts()) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  if (bytes.includes(0)) return undefined;
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? undefined : text;
}

export interface TextVersion {
  readonly name: string;
  /** Stands after the name in the header, as a time does elsewhere. */
  readonly label: string;
  readonly text: string;
}

/** undefined where the versions differ in too much for a diff to be of use. */
export function unifiedDiff(before: TextVersion, after: TextVersion): string | undefined {
  return createTwoFilesPatch(before.name, after.name, before.text, after.text, before.label, after.label, {
    context: 3,
    maxEditLength: EDITS_MAX,
    headerOptions: FILE_HEADERS_ONLY,
  });
}
