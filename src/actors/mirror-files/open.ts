/**
 * Opening a mirror: a machine without payload of its own, and the memory beside its trees. Its recorder is its own agent: a session, and
 * batches of facts. Nothing is appended by opening; the first who records opens the session.
 */
import { RainbowError } from "../../core/index.ts";
import type { ControlFile } from "../../dig/index.ts";
import type { MirrorDefined } from "../../events/index.ts";
import { openMirrorMemory } from "../../projections/index.ts";
import type { MirrorFiles, MirrorMemory } from "../../projections/index.ts";
import { closeMachine, mirrorStreamOf, openMachine } from "../machine/index.ts";
import type { OpenedMachine, OpenMachineOptions } from "../machine/index.ts";
import { Recorder } from "./recorder.ts";

/** What a person says of a mirror. `options` are the sync engine's; no password is among them. */
export type MirrorDefinition = Pick<MirrorDefined, "label" | "source" | "target" | "options">;

export interface OpenMirrorOptions extends Omit<OpenMachineOptions, "stream" | "enrol" | "quiet"> {
  /** UUID. */
  readonly mirror: string;
  /** Of a new mirror. Absent: there must be one. */
  readonly definition?: MirrorDefinition;
  /** Opens the file of what is remembered, making it where it is missing. */
  readonly openMemory: () => Promise<ControlFile>;
}

export interface OpenedMirror {
  /** Its stream and trees: what answers questions of a machine answers those of a mirror. */
  readonly machine: OpenedMachine;
  /** As the newest MirrorDefined has it. */
  readonly definition: () => MirrorDefinition;
  /** Durable when it resolves. */
  readonly redefine: (definition: MirrorDefinition) => Promise<void>;
  /** The recorder of this opening, which shuts out those of before. After `onFailed` the mirror is to be opened anew. */
  readonly files: () => Promise<MirrorFiles>;
  readonly close: () => Promise<void>;
}

/** NO_STORE where there should be a mirror and is none. */
export async function openMirror(options: OpenMirrorOptions): Promise<OpenedMirror> {
  const { mirror, definition } = options;
  const enrol: OpenMachineOptions["enrol"] = (identity) => {
    if (definition !== undefined) return { type: "MirrorDefined", mirror, ...identity, ...definition };
    throw new RainbowError("NO_STORE", `there are no events of mirror ${mirror}: define it with \`rainbow mirror add\``, { mirror });
  };
  const machine = await openMachine({ ...options, stream: mirrorStreamOf(mirror), enrol, quiet: true });
  let memory: MirrorMemory;
  try {
    memory = await openMirrorMemory(await options.openMemory());
  } catch (error) {
    await closeMachine(machine);
    throw error;
  }
  return openedMirror(options, machine, memory);
}

function openedMirror({ clock, onFailed }: OpenMirrorOptions, machine: OpenedMachine, memory: MirrorMemory): OpenedMirror {
  let recorder: Promise<Recorder> | undefined;
  const openRecorder = async (): Promise<Recorder> => {
    const link = await machine.ingest();
    const session = await link.openSession();
    const { projection } = machine;
    const head = await link.settled();
    projection.follow(head);
    await projection.projected(head);
    return new Recorder({ link, session, projection, memory, clock, onFailed });
  };
  return {
    machine,
    definition: () => definitionOf(machine),
    redefine: async (definition) => {
      const { hashKey, dataFile } = machine.enrolled;
      const event: MirrorDefined = { type: "MirrorDefined", mirror: machine.machine, hashKey, dataFile, ...definition };
      const { revision } = await (await machine.ingest()).appendOwn([event], "definition");
      machine.projection.follow(revision);
      await machine.projection.projected(revision);
    },
    files: async () => {
      recorder ??= openRecorder();
      try {
        return await recorder;
      } catch (cause) {
        onFailed(cause);
        throw cause;
      }
    },
    close: async () => {
      await (await recorder?.catch(() => undefined))?.idle();
      try {
        await memory.close();
      } finally {
        await closeMachine(machine);
      }
    },
  };
}

function definitionOf({ projection, stream }: OpenedMachine): MirrorDefinition {
  const { mirror } = projection.facts();
  if (mirror === undefined)
    throw new RainbowError("STORE_CORRUPT", `stream ${stream} does not say what the mirror is: the event store lost its start`, { stream });
  const { label, source, target, options } = mirror;
  return { label, source, target, options };
}
