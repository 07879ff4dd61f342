/**
 * A view of a mirror with its content: names and attributes are the tree's, bytes come from the object store, in the version of that
 * instant, and are held to the digest that was recorded of them.
 */
import { displayOf, RainbowError } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import { pathOfNode } from "../../projections/index.ts";
import type { NodeRecord, View } from "../../projections/index.ts";
import type { Digests } from "../../rsync/index.ts";
import { startDigest } from "./prove.ts";

export interface MirrorContent {
  readonly objects: () => Promise<ObjectStore>;
  readonly digests: () => Promise<Digests>;
  /** Whose the files of a mirror are: owners are not mirrored. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Takes the view over. */
export function mirrorView(view: View, content: MirrorContent): View {
  const owned = (record: NodeRecord): NodeRecord => ({ ...record, attributes: { ...record.attributes, ...content.owner } });
  return {
    revision: view.revision,
    lookup: (parent, name) => view.lookup(parent, name),
    list: (parent) => view.list(parent),
    node: (node) => {
      const record = view.node(node);
      return record === undefined ? undefined : owned(record);
    },
    extents: () => [],
    read: (node, offsetBytes, lengthBytes) => view.read(node, offsetBytes, lengthBytes),
    stream: (node) => verified(view, node, content),
    purged: (node) => view.purged(node),
    gaps: () => view.gaps(),
    close: () => view.close(),
  };
}

async function* verified(view: View, node: NodeId, { objects, digests }: MirrorContent): AsyncGenerator<Uint8Array> {
  const record = view.node(node);
  const path = record === undefined ? undefined : pathOfNode(view, record);
  if (record?.kind !== "file" || path === undefined) throw new RainbowError("NOT_FOUND", `no file of that number existed at r${view.revision}`, { node });
  const { place, digest } = record.mirrored ?? {};
  if (place === undefined)
    throw new RainbowError("OBJECT_CHANGED", `of '${displayOf(path)}' no object is recorded at r${view.revision}`, { path: displayOf(path) });
  const running = digest === undefined ? undefined : startDigest(await digests(), digest.name);
  let lengthBytes = 0;
  for await (const bytes of (await objects()).read(path, { place })) {
    running?.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    lengthBytes += bytes.length;
    yield bytes;
  }
  if (lengthBytes !== record.sizeBytes) throw corrupt(path, `it has ${lengthBytes} bytes, ${record.sizeBytes} were stored`);
  if (digest !== undefined && running?.digest().equals(digest.bytes) === false)
    throw corrupt(path, `its ${digest.name} is another than that of what was stored`);
}

function corrupt(path: ByteString, why: string): RainbowError {
  return new RainbowError(
    "OBJECT_CORRUPT",
    `the stored object of '${displayOf(path)}' is damaged: ${why}; \`rainbow mirror check --read-data\` finds all such`,
    {
      path: displayOf(path),
    },
  );
}
