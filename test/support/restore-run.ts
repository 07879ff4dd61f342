/** Runs a restore to its end and gathers what it told. */
import type { RestoredItem, RestoreOutput, RestoreRequest, RestoreSummary } from "../../src/actors/restore/index.ts";
import { restore } from "../../src/actors/restore/index.ts";
import { systemClock } from "../../src/app/platform.ts";
import type { ByteString, NodeId, Os } from "../../src/core/index.ts";
import { OsError } from "../../src/core/index.ts";
import type { FakeView } from "./fake-view.ts";

export interface Restored {
  readonly items: readonly RestoredItem[];
  readonly summary: RestoreSummary;
}

export const OPTIONS = { overwrite: false, delete: false, dryRun: false, include: [], exclude: [] } as const;

export function requestOf(
  os: Os,
  source: { readonly view: FakeView; readonly root: NodeId },
  target: ByteString,
  more: Partial<RestoreRequest> & { readonly with?: Partial<RestoreRequest["options"]> } = {},
): RestoreRequest {
  const { with: changed, ...rest } = more;
  const path = (source.view.node(source.root)?.names[0]?.name ?? "/") as ByteString;
  return { os, view: source.view, node: source.root, path, target, options: { ...OPTIONS, ...changed }, clock: systemClock(), ...rest };
}

export async function runRestore(request: RestoreRequest): Promise<Restored> {
  return gather(restore(request));
}

export async function gather(outputs: AsyncIterable<RestoreOutput>): Promise<Restored> {
  const items: RestoredItem[] = [];
  let summary: RestoreSummary | undefined;
  for await (const output of outputs) {
    if (output.type === "restored") items.push(output);
    if (output.type === "summary") summary = output;
  }
  if (summary === undefined) throw new Error("the restore gave no summary");
  return { items, summary };
}

/** "what path detail" below `target`, sorted. */
export function told(items: readonly RestoredItem[], target: ByteString): string[] {
  return items.map(({ what, path, detail }) => `${what} ${path.slice(target.length)}${detail === "" ? "" : ` (${detail})`}`).sort();
}

/** The process as it dies at its n-th call to the system: that call and all after it do nothing. */
export function dyingOs(os: Os, callsLeft: number): Os {
  let left = callsLeft;
  return new Proxy(os, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        if (left-- <= 0) throw new Error("the process is dead");
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** Fails one call for paths that `matches` picks, as the system would. */
export function failingOs(os: Os, method: keyof Os, matches: (path: ByteString) => boolean, code: string): Os {
  return new Proxy(os, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        if (name === method && matches(args[0] as ByteString)) throw new OsError(code, method, String(args[0]) as ByteString);
        return Reflect.apply(value, target, args);
      };
    },
  });
}
