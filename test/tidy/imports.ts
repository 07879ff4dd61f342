/** Who may import whom: the arrows of ARCHITECTURE.md "Folders", adapters apart, a folder by its index.ts alone, no cycles. */
import { posix } from "node:path";
import { lineAt, type Offence, type Source } from "./source.ts";

const FEATURES = ["events", "dig", "rtmq", "rsync", "objects", "capture"];

/** Which folders of src/ each may import, besides itself. A folder that is not listed here may not exist. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ...Object.fromEntries(FEATURES.map((feature) => [feature, ["core"]])),
  projections: ["core", "events", "dig"],
  actors: ["core", ...FEATURES, "projections"],
  app: ["core", ...FEATURES, "projections", "actors"],
  cli: ["core", "app"],
  console: ["core", "app"],
};

/** Folders that speak to one outside thing each: made only in app/, and unknown to one another. */
export const ADAPTERS: readonly string[] = ["lmdb", "kurrent", "s3", "directory", "driver", "bpf"];

export interface Import {
  readonly from: string;
  /** The imported file from the root, or a package's name as it stands. */
  readonly to: string;
  readonly isTypeOnly: boolean;
  readonly line: number;
}

const IMPORT = /\b(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s*)?"([^"\n]+)"|\bimport\(\s*"([^"\n]+)"\s*\)/g;

export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  for (const match of source.code.matchAll(IMPORT)) {
    if (source.bare[match.index] === " ") continue; // Inside a string.
    const target = (match[3] ?? match[4]) as string;
    const to = target.startsWith(".") ? posix.join(posix.dirname(source.path), target) : target;
    found.push({ from: source.path, to, isTypeOnly: match[2] !== undefined, line: lineAt(source.code, match.index) });
  }
  return found;
}

export function importOffences(sources: readonly Source[]): Offence[] {
  const files = new Set(sources.map((source) => source.path));
  const imports = sources.filter((source) => source.path.startsWith("src/")).flatMap(importsOf);
  const own = imports.filter((each) => files.has(each.to) || each.to.startsWith("src/"));
  const offences = own.flatMap((each) => {
    const what = arrowOffence(each) ?? adapterOffence(each) ?? depthOffence(each, files);
    return what === undefined ? [] : [{ path: each.from, line: each.line, what }];
  });
  return [...offences, ...cycleOffences(own)];
}

const topOf = (path: string): string => path.split("/")[1] ?? "";

function arrowOffence(each: Import): string | undefined {
  const [from, to] = [topOf(each.from), topOf(each.to)];
  if (ARROWS[from] === undefined) return `src/${from} is no folder of the architecture`;
  if (from === to || ARROWS[from].includes(to)) return undefined;
  return `src/${from} may not import src/${to} (it may: ${ARROWS[from].join(", ") || "nothing"})`;
}

/** The adapter folder that holds `path`, as a path, or undefined. app/ holds none: what lies there is composition. */
export function adapterOf(path: string): string | undefined {
  const parts = path.split("/");
  if (parts[0] !== "src" || parts[1] === "app" || parts[1] === "cli") return undefined;
  const depth = parts.findIndex((part, i) => i >= 2 && i < parts.length - 1 && ADAPTERS.includes(part));
  return depth === -1 ? undefined : parts.slice(0, depth + 1).join("/");
}

function adapterOffence(each: Import): string | undefined {
  const [from, to] = [adapterOf(each.from), adapterOf(each.to)];
  if (to === undefined || from === to || topOf(each.from) === "app") return undefined;
  return from === undefined ? `the adapter ${to} is made only in src/app` : `the adapter ${from} may not import the adapter ${to}`;
}

/** A file outside of a folder sees only its index.ts; a sibling in the parent folder also its internal.ts. */
function depthOffence(each: Import, files: ReadonlySet<string>): string | undefined {
  const parts = each.to.split("/");
  const name = parts.pop();
  const folder = parts.join("/");
  if (each.from.startsWith(`${folder}/`)) return undefined;
  const isFace = name === "index.ts" || (name === "internal.ts" && each.from.startsWith(`${parts.slice(0, -1).join("/")}/`));
  if (!isFace) return `${folder} is imported by its index.ts, never deeper`;
  for (let depth = parts.length - 1; depth >= 2; depth--) {
    const outer = parts.slice(0, depth).join("/");
    if (each.from.startsWith(`${outer}/`)) return undefined;
    const isOpen = adapterOf(each.to) === folder || !files.has(`${outer}/index.ts`);
    if (!isOpen) return `${folder} lies inside ${outer}, which is imported by its index.ts, never deeper`;
  }
  return undefined;
}

/** Each cycle once, at the import that closes it. Imports of types alone make none: they are gone at run time. */
function cycleOffences(imports: readonly Import[]): Offence[] {
  const edges = Map.groupBy(
    imports.filter((each) => !each.isTypeOnly),
    (each) => each.from,
  );
  const done = new Set<string>();
  const offences: Offence[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (done.has(file)) return;
    for (const edge of edges.get(file) ?? []) {
      const start = [...trail, file].indexOf(edge.to);
      if (start === -1) visit(edge.to, [...trail, file]);
      else offences.push({ path: file, line: edge.line, what: `closes a cycle: ${[...trail.slice(start), file, edge.to].join(" -> ")}` });
    }
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  return offences;
}
