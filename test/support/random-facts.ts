/** Random facts about a machine, most of them sound, some odd: what an agent would send, and what a confused one might. */
import { MACHINE_NODE, nodeIdOf } from "../../src/core/index.ts";
import type { Attributes, ByteString, Change, ChunkNumber, Epoch, Extent, NodeId, NodeKind } from "../../src/core/index.ts";
import { CHUNK_GRANULES, GRANULE_BYTES, nameOfKey } from "./naive-machine.ts";
import type { NaiveMachine } from "./naive-machine.ts";
import type { SeededRandom } from "./random.ts";

const FILE_GRANULES_MAX = 800; // Three regions.
const NAMES = 40; // Few, so that names are taken over.
const NODES_MAX = 120;

export class RandomFacts {
  private readonly random: SeededRandom;
  private readonly machine: NaiveMachine;
  private counter = 1;

  constructor(random: SeededRandom, machine: NaiveMachine) {
    this.random = random;
    this.machine = machine;
  }

  /** One change. Chunks are taken from `chunkFor`, which gives a number for a chunk of so many granules. */
  next(epoch: Epoch, chunkFor: (granules: number) => number): Change {
    const kind = this.random.int(100);
    if (this.machine.nodes.size === 0 || (kind < 22 && this.machine.nodes.size < NODES_MAX)) return this.create(epoch);
    if (kind < 45) return this.write(chunkFor);
    if (kind < 50) return { type: "SizeSet", node: this.file(), sizeBytes: this.random.int(FILE_GRANULES_MAX) * GRANULE_BYTES };
    if (kind < 54) return { type: "RangeZeroed", node: this.file(), ...this.range() };
    if (kind < 58) return { type: "RangeCloned", fromNode: this.file(), fromOffset: this.range().offset, node: this.file(), ...this.range() };
    if (kind < 65) return { type: "AttributesSet", node: this.node(), attributes: this.attributes(), linkTarget: "" as ByteString };
    if (kind < 72) return { type: "PassStarted", node: this.file() };
    if (kind < 80) return { type: "VersionSettled", node: this.file(), unsettled: this.random.chance(0.2) };
    if (kind < 84) return { type: "NodeLinked", node: this.node(), parent: this.directory(), name: this.name() };
    if (kind < 92) return this.rename();
    return { type: "NodeUnlinked", ...this.known() };
  }

  private create(epoch: Epoch): Change {
    const kinds: NodeKind[] = ["file", "file", "file", "file", "directory", "directory", "symlink", "fifo"];
    const kind = this.random.pick(kinds);
    const node = this.random.chance(0.02) ? this.node() : nodeIdOf(epoch, this.counter++);
    const linkTarget = (kind === "symlink" ? `to/${this.random.int(100)}` : "") as ByteString;
    return { type: "NodeCreated", node, parent: this.directory(), name: this.name(), kind, attributes: this.attributes(), linkTarget, rdev: 0 };
  }

  private write(chunkFor: (granules: number) => number): Change {
    const extents: Extent[] = [];
    let at = this.random.int(FILE_GRANULES_MAX);
    const count = this.random.chance(0.1) ? 30 : 1 + this.random.int(3);
    for (let i = 0; i < count; i++) {
      const granules = 1 + this.random.int(CHUNK_GRANULES);
      const skip = this.random.chance(0.2) ? this.random.int(granules) : 0;
      const chunk = chunkFor(granules) as ChunkNumber;
      const length = (granules - skip) * GRANULE_BYTES;
      extents.push({ offset: at * GRANULE_BYTES, length, chunk, chunkOffset: skip * GRANULE_BYTES });
      at += granules - skip + (this.random.chance(0.3) ? this.random.int(40) : 0);
    }
    return { type: "ExtentsWritten", node: this.file(), extents };
  }

  private rename(): Change {
    const { node, parent, name } = this.known();
    return { type: "NodeRenamed", node, fromParent: parent, fromName: name, toParent: this.directory(), toName: this.name(), replaced: MACHINE_NODE };
  }

  private attributes(): Attributes {
    const xattrs = this.random.chance(0.1) ? [{ name: "user.note" as ByteString, value: this.random.bytes(this.random.int(50)) }] : [];
    const mtimeSeconds = this.random.int(2 ** 31) - (this.random.chance(0.05) ? 2 ** 31 : 0);
    return {
      mode: this.random.int(4096),
      uid: this.random.int(70_000),
      gid: this.random.int(2),
      mtimeSeconds,
      mtimeNanos: this.random.int(1e9),
      btimeSeconds: 0,
      btimeNanos: 0,
      xattrs,
    };
  }

  private range(): { readonly offset: number; readonly length: number } {
    return { offset: this.random.int(FILE_GRANULES_MAX) * GRANULE_BYTES, length: (1 + this.random.int(400)) * GRANULE_BYTES };
  }

  name(): ByteString {
    if (this.random.chance(0.02)) return `${this.random.int(3)}${"long/".repeat(60)}` as ByteString; // As a root's path may be.
    return `${String.fromCharCode(97 + this.random.int(26))}\xff${this.random.int(NAMES)}` as ByteString;
  }

  private known(): { readonly node: NodeId; readonly parent: NodeId; readonly name: ByteString } {
    const names = [...this.machine.names];
    if (names.length === 0) return { node: 1 as NodeId, parent: MACHINE_NODE, name: this.name() };
    const [key, node] = this.random.pick(names);
    const { parent, name } = nameOfKey(key);
    return this.random.chance(0.03) ? { node, parent, name: this.name() } : { node, parent, name };
  }

  private node(): NodeId {
    if (this.random.chance(0.03)) return (2 ** 33 + this.random.int(10)) as NodeId;
    const nodes = [...this.machine.nodes.keys()];
    return nodes.length === 0 ? (1 as NodeId) : this.random.pick(nodes);
  }

  private file(): NodeId {
    const files = [...this.machine.nodes.values()].filter((node) => node.kind === "file");
    return files.length === 0 || this.random.chance(0.03) ? this.node() : this.random.pick(files).node;
  }

  private directory(): NodeId {
    const directories = [...this.machine.nodes.values()].filter((node) => node.kind === "directory");
    return directories.length === 0 || this.random.chance(0.1) ? MACHINE_NODE : this.random.pick(directories).node;
  }
}
