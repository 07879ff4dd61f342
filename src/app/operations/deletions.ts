/** Finding what was deleted. */
import type { OpenedMachine } from "../../actors/machine/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";

export async function newestDeletion(_opened: OpenedMachine, _path: ByteString): Promise<{ readonly node: NodeId; readonly lastRevision: number } | undefined> {
  return undefined;
}
