/**
 * What the store has of a file, read and held to its digest: the one of the file list, or what the server said of a file that was not
 * read when it was stored. What a claim was proven by is a fact from then on.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ContentDigest } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { Claim, FileEntry, FileList, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import { DIGEST_BYTES } from "../../rsync/index.ts";
import type { DigestName, Digests, RunningDigest } from "../../rsync/index.ts";
import { factOf } from "./late.ts";
import { lostFact } from "./recover.ts";
import type { CareProgress } from "./recover.ts";

export interface ContentFault {
  /** changed: the store has another object there, or none. */
  readonly what: "changed" | "damaged";
  readonly detail: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is kept up to date. */
  readonly progress?: CareProgress;
}

export interface Reading {
  readonly lengthBytes: number;
  readonly fault: ContentFault | undefined;
  /** What the content was held to, and has; undefined where nothing is known of it that can be computed here. */
  readonly digest: ContentDigest | undefined;
}

/** undefined where the digest cannot be computed here: then the length alone speaks for the content. */
export function startDigest(digests: Digests, name: string): RunningDigest | undefined {
  return Object.hasOwn(DIGEST_BYTES, name) && name !== "md4-seeded" ? digests.ofFile(name as DigestName, 0) : undefined;
}

/** undefined where it was stopped. */
export async function readBack(
  objects: ObjectStore,
  digests: Digests,
  { path, place, digest, sizeBytes }: FileEntry,
  claim: Claim | undefined,
  { signal, progress }: ReadOptions = {},
): Promise<Reading | undefined> {
  const running = digest !== undefined ? ofDigest(digests, digest) : claim === undefined ? undefined : ofClaim(digests, claim);
  let lengthBytes = 0;
  const wrong = (what: ContentFault["what"], detail: string): Reading => ({ lengthBytes, fault: { what, detail }, digest: undefined });
  try {
    for await (const piece of objects.read(path, { place: place! })) {
      if (signal?.aborted === true) return undefined;
      running?.update(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      lengthBytes += piece.length;
      if (progress !== undefined) progress.readBytes += piece.length;
    }
  } catch (error) {
    if (isRainbowError(error, "OBJECT_CHANGED")) return wrong("changed", error.message);
    throw error;
  }
  if (lengthBytes !== sizeBytes) return wrong("damaged", `it has ${lengthBytes} bytes, ${sizeBytes} were stored`);
  const proven = running?.end();
  if (running !== undefined && proven === undefined) return wrong("damaged", running.otherwise);
  return { lengthBytes, fault: undefined, digest: proven };
}

interface Held {
  readonly update: (bytes: Buffer) => void;
  /** undefined: the content is another. */
  readonly end: () => ContentDigest | undefined;
  readonly otherwise: string;
}

function ofDigest(digests: Digests, digest: ContentDigest): Held | undefined {
  const running = startDigest(digests, digest.name);
  if (running === undefined) return undefined;
  return {
    update: (bytes) => void running.update(bytes),
    end: () => (running.digest().equals(digest.bytes) ? digest : undefined),
    otherwise: `its ${digest.name} is another than that of what was stored`,
  };
}

/** A digest with a session's seed is of no use later: MD5 is kept in its place. */
function ofClaim(digests: Digests, { digest: name, seed, bytes: said }: Claim): Held | undefined {
  if (!Object.hasOwn(DIGEST_BYTES, name)) return undefined;
  const running = digests.ofFile(name as DigestName, seed);
  const lasting = name === "md4-seeded" ? digests.ofFile("md5", 0) : undefined;
  return {
    update: (bytes) => {
      running.update(bytes);
      lasting?.update(bytes);
    },
    end: () => {
      if (!running.digest().equals(said)) return undefined;
      return lasting === undefined ? { name, bytes: said } : { name: "md5", bytes: lasting.digest() };
    },
    otherwise: `its ${name} is another than the server said`,
  };
}

/** The digest stands in the list from then on, and in the object once that is described anew. */
export function provenFact(entry: FileEntry, digest: ContentDigest, objects: Pick<ObjectStore, "features">): MirrorFact {
  return { ...factOf({ ...entry, digest }, entry.place!), isSameContent: true, lacksDigest: !objects.features.isTree };
}

/** The next sync fetches these files whole: nothing that may be made of the same blocks serves as their basis any more. */
export async function loseContent(files: MirrorFiles, list: Pick<FileList, "entry">, entries: readonly FileEntry[]): Promise<void> {
  await files.record(entries.map(lostFact));
  for (const entry of entries)
    for (let alike = files.sums.alike(list, entry); alike !== undefined; alike = files.sums.alike(list, entry)) await files.sums.forget([alike.entry.path]);
}
