/**
 * The events of the DIG walk and what they do to a state: a few files with two settled and two pending slots each, brackets, clones,
 * removals. A slot's value is a chunk (or, for the oracle, its content) and which half of it.
 */
import type { SealedTree } from "../../src/dig/index.ts";
import type { SeededRandom } from "./random.ts";

export const FILE_COUNT = 8;
const SLOTS = 5; // Settled 0 and 1, pending 2 and 3, bracket open 4.

export interface Value {
  /** A chunk's number; for the oracle the content itself. */
  readonly chunk: number | string;
  readonly half: number;
}

export type WalkEvent =
  | { readonly kind: "batch"; readonly sequence: number }
  | { readonly kind: "chunks"; readonly chunks: readonly { readonly number: number; readonly content: string }[] }
  | { readonly kind: "write"; readonly file: number; readonly slot: number; readonly value: Value }
  | { readonly kind: "clone"; readonly from: number; readonly fromSlot: number; readonly file: number; readonly slot: number }
  | { readonly kind: "remove" | "pass" | "settle"; readonly file: number }
  | { readonly kind: "epoch" | "opened" }
  | { readonly kind: "snapshot"; readonly name: string; readonly revision: number }
  | { readonly kind: "drop"; readonly name: string }
  | { readonly kind: "purge"; readonly file: number }
  | { readonly kind: "rebased"; readonly window: number; readonly trees: readonly SealedTree[] };

export type State = Map<number, Value>;
export type Use = (value: Value, delta: number) => void;
const BRACKET: Value = { chunk: 0, half: 0 };

function put(state: State, key: number, value: Value | undefined, use: Use): void {
  const old = state.get(key);
  state.delete(key);
  if (key % SLOTS < 4) {
    if (old !== undefined) use(old, -1);
    if (value !== undefined) use(value, 1);
  }
  if (value !== undefined) state.set(key, value);
}

export function applyEvent(state: State, event: WalkEvent, use: Use = () => undefined): void {
  if (event.kind === "write") {
    const pending = state.has(SLOTS * event.file + 4) ? 2 : 0;
    put(state, SLOTS * event.file + event.slot + pending, event.value, use);
  } else if (event.kind === "clone") {
    const pending = state.has(SLOTS * event.file + 4) ? 2 : 0;
    put(state, SLOTS * event.file + event.slot + pending, state.get(SLOTS * event.from + event.fromSlot), use);
  } else if (event.kind === "remove") {
    for (let i = 0; i < SLOTS; i++) put(state, SLOTS * event.file + i, undefined, use);
  } else if (event.kind === "pass") {
    for (const i of [2, 3, 4]) put(state, SLOTS * event.file + i, i === 4 ? BRACKET : undefined, use);
  } else if (event.kind === "settle") settle(state, event.file, use);
  else if (event.kind === "epoch") {
    for (let key = 0; key < SLOTS * FILE_COUNT; key++) if (key % SLOTS > 1) put(state, key, undefined, use);
  }
}

function settle(state: State, file: number, use: Use): void {
  if (!state.has(SLOTS * file + 4)) return;
  for (const i of [2, 3]) {
    const value = state.get(SLOTS * file + i);
    if (value === undefined) continue;
    put(state, SLOTS * file + i, undefined, use);
    put(state, SLOTS * file + i - 2, value, use);
  }
  state.delete(SLOTS * file + 4);
}

/** What answers show: staged extents are part of the state and not of the answers. */
export function settled(state: State): State {
  return new Map([...state].filter(([key]) => key % SLOTS < 2));
}

export function namesChunk(key: number): boolean {
  return key % SLOTS < 4;
}

/** The first slot of a file. */
export function keyOf(file: number): number {
  return file * SLOTS;
}

export function fileOf(key: number): number {
  return Math.floor(key / SLOTS);
}

/** A tree key of a slot; neighbours share a long prefix. */
export function treeKey(key: number): Buffer {
  return Buffer.from(`directory/of/file-${String(Math.floor(key / SLOTS)).padStart(3, "0")}/slot-${key % SLOTS}`);
}

export function slotOf(key: Buffer): number {
  const match = /file-(\d+)\/slot-(\d)$/.exec(key.toString("latin1"))!;
  return Number(match[1]) * SLOTS + Number(match[2]);
}

/** Long values, so that a few keys fill a page; some lie beside it. */
export function treeValue(key: number, value: Value): Buffer {
  const lengthBytes = key % 7 === 3 ? 1500 + (Number(value.chunk) % 3) * 3000 : 700 + (key % 5) * 60;
  const bytes = Buffer.alloc(lengthBytes, key);
  bytes.writeUInt32LE(Number(value.chunk), 0);
  bytes[4] = value.half;
  return bytes;
}

export function valueOfTree(bytes: Buffer): Value {
  return { chunk: bytes.readUInt32LE(0), half: bytes[4]! };
}

/** What one batch of the agent does; contents are named by letters. */
export function randomOperations(random: SeededRandom): WalkEvent[] {
  const operations: WalkEvent[] = [];
  const file = (): number => random.int(FILE_COUNT);
  const letter = (): string => "abcde"[random.int(5)]!;
  for (let i = random.int(4); i >= 0; i--) {
    const roll = random.int(24);
    const f = file();
    if (roll < 9) operations.push({ kind: "write", file: f, slot: random.int(2), value: { chunk: letter(), half: 0 } });
    else if (roll < 13) {
      const content = `${letter()}${letter()}`;
      operations.push(
        { kind: "write", file: f, slot: 0, value: { chunk: content, half: 0 } },
        { kind: "write", file: f, slot: 1, value: { chunk: content, half: 1 } },
      );
    } else if (roll < 15) operations.push({ kind: "remove", file: f });
    else if (roll < 17) operations.push({ kind: "pass", file: f });
    else if (roll < 21) operations.push({ kind: "settle", file: f });
    else if (roll < 23) operations.push({ kind: "clone", from: f, fromSlot: random.int(2), file: file(), slot: random.int(2) });
    else operations.push(random.chance(0.3) ? { kind: "epoch" } : { kind: "chunks", chunks: [{ number: 0, content: `${letter()}z` }] });
  }
  return operations;
}
