/** A directory and a bucket, each as lines that are the same where the bucket mirrors the directory. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { byteStringOf, bytesOf } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";

/** What `rsync -rlpt` keeps of upstream, one line a name. */
export function upstreamLines(directory: string): string[] {
  const lines: string[] = [];
  const walk = (prefix: string): void => {
    for (const raw of readdirSync(Buffer.concat([Buffer.from(directory), bytesOf(prefix as ByteString)]), { encoding: "buffer" })) {
      const path = `${prefix}/${byteStringOf(raw)}`;
      const full = Buffer.concat([Buffer.from(directory), bytesOf(path as ByteString)]);
      const stat = lstatSync(full);
      const key = path.slice(1);
      const mode = stat.mode & 0o7777;
      if (stat.isFile()) lines.push(`${key} ${mode} ${hashOf(readFileSync(full))}`);
      else if (stat.isSymbolicLink()) lines.push(`${key} -> ${byteStringOf(readlinkSync(full, { encoding: "buffer" }))}`);
      else if (stat.isDirectory()) {
        lines.push(`${key}/ ${mode}`);
        walk(path);
      }
    }
  };
  walk("");
  return lines.toSorted();
}

export async function bucketLines(store: ObjectStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const page of store.list())
    for (const { key, kind } of page) {
      if (kind === "other") throw new Error(`${key} is of no kind`);
      const metadata = (await store.head({ key, kind }))?.metadata;
      if (kind === "directory") lines.push(`${key}/ ${metadata?.mode}`);
      else if (metadata?.kind === "symlink") lines.push(`${key} -> ${metadata.linkTarget}`);
      else lines.push(`${key} ${metadata?.mode} ${hashOf(await contentOf(store, key))}`);
    }
  return lines.toSorted();
}

async function contentOf(store: ObjectStore, key: ByteString): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.read(key)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

function hashOf(bytes: Buffer): string {
  return createHash("sha1").update(bytes).digest("hex");
}
