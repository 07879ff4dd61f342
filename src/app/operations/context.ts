/** What the operations are answered from. */
import type { Capture } from "../../capture/index.ts";
import type { Clock, Disk, Os, Random } from "../../core/index.ts";
import type { ReplayOrigin } from "../data-directory.ts";
import type { Host } from "../host.ts";
import type { MirrorRunner } from "../mirroring/index.ts";
import type { Mirrors } from "../mirrors.ts";
import type { Digests } from "../../rsync/index.ts";
import type { SalvagedEvents } from "../mend-events.ts";

export interface OperationsContext {
  readonly host: Host;
  readonly mirrors: Mirrors;
  readonly runner: MirrorRunner;
  readonly digests: () => Promise<Digests>;
  /** Absent where nothing is captured: a command opened the data directory by itself. */
  readonly capture: Capture | undefined;
  /** The data directory was opened to be repaired: its control file was rebuilt, and nothing else uses it. */
  readonly isRepairing: boolean;
  /** What became of a damaged event store, where it was one. */
  readonly salvaged: SalvagedEvents | undefined;
  readonly os: Os;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly dataDirectory: string;
  readonly machine: string;
  readonly label: string;
  /** It is a replay of another data directory, made to be read. */
  readonly replay: ReplayOrigin | undefined;
  readonly version: string;
}
