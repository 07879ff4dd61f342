/** What the parts of capture share within one session: ports, memory, the batch in the making, and what is known to be dirty. */
import { nodeIdOf } from "../core/index.ts";
import type { Clock, Epoch, NodeId, Os } from "../core/index.ts";
import type { Batches } from "./batches.ts";
import type { BlockHasher, ChunkMaker } from "./content/index.ts";
import type { Dirt } from "./dirt.ts";
import type { LeftOutList } from "./exclusions.ts";
import type { Gaps } from "./gaps.ts";
import type { Limits } from "./limits.ts";
import type { Directories, Memory, Nodes } from "./memory/index.ts";
import type { Roots } from "./roots.ts";
import type { Watches } from "./watches.ts";

export interface Site {
  readonly os: Os;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly memory: Memory;
  readonly directories: Directories;
  readonly nodes: Nodes;
  readonly batches: Batches;
  readonly gaps: Gaps;
  readonly roots: Roots;
  readonly dirt: Dirt;
  readonly watches: Watches;
  readonly leftOut: LeftOutList;
  readonly hasher: BlockHasher;
  readonly maker: ChunkMaker;
  readonly mint: () => NodeId;
  /** Lets others run where the slice is used up, and waits while the batches push back. */
  readonly breathe: () => Promise<void>;
}

export function minter(epoch: Epoch): () => NodeId {
  let counter = 0;
  return () => nodeIdOf(epoch, ++counter);
}
