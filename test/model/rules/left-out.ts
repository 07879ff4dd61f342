/**
 * Rules of src/dig/RULES.md left out of the product, each by a change of its text, and the test that must notice. `from` stands in the
 * file exactly once; whoever changes those lines changes this table too. Rules that the walk of dig.test.ts breaks in its own code
 * (it plays projection, ingest and retention itself) are named there.
 */
export interface LeftOut {
  readonly rule: number;
  /** What the product does without it. */
  readonly what: string;
  readonly changes: readonly { readonly file: string; readonly from: string; readonly to: string }[];
  readonly test: string;
  /** Of a random test: how many walks may pass before one must fail. */
  readonly walksMax?: number;
}

const RULES = "test/unit/dig/rules.test.ts";
const FOLD = "test/unit/projections/evolve.test.ts";
const INGEST = "test/unit/actors/ingest.test.ts";
const RETENTION = "test/model/retention.test.ts";
const one = (file: string, from: string, to: string): LeftOut["changes"] => [{ file, from, to }];

export const LEFT_OUT: readonly LeftOut[] = [
  {
    rule: 2,
    what: "a chunk that dies again keeps its first death",
    changes: one("src/dig/tree-store.ts", "known.life.deaths[index] = deathRevision ?? 0;", "known.life.deaths[index] ||= deathRevision ?? 0;"),
    test: RULES,
  },
  {
    rule: 2,
    what: "a chunk that is named and overwritten in one batch counts as untouched",
    changes: one(
      "src/projections/dig-tree/chunk-counts.ts",
      "const { atBase, live, death } = this.counts.get(chunk)!;",
      "const { atBase, live, death } = this.counts.get(chunk)!;\n      if (atBase === live) continue;",
    ),
    test: FOLD,
  },
  {
    rule: 3,
    what: "what is staged counts for nothing when references are counted anew",
    changes: one("src/projections/dig-tree/named-chunks.ts", "[PREFIX.region, PREFIX.stagedRegion]", "[PREFIX.region]"),
    test: RETENTION,
    walksMax: 20,
  },
  {
    rule: 5,
    what: "live counts become true before their tree",
    changes: one(
      "src/dig/tree-store.ts",
      "if (next === undefined) await this.stage(build);",
      "if (next === undefined) await this.stage(build);\n        if (next === undefined) await this.fold(build.revision);",
    ),
    test: RULES,
  },
  {
    rule: 6,
    what: "a tree in the middle gives its own pages to no list",
    changes: one("src/dig/tree-store.ts", "writes.push(...pageDeathRows(next.info.revision, own, this.freeSequence(next.info.revision)));", "void own;"),
    test: RULES,
  },
  {
    rule: 6,
    what: "a tree in the middle leaves what it replaced on the next tree's list",
    changes: one("src/dig/tree-store.ts", "if (gone.length === 0) continue;", "if (gone.length >= 0) continue;"),
    test: RULES,
  },
  {
    rule: 6,
    what: "a tree in the middle takes all that it replaced, also what the next tree still has",
    changes: one(
      "src/dig/tree-store.ts",
      "pageDeathRows(revision, moved, this.freeSequence(revision))",
      "pageDeathRows(revision, built.replaced, this.freeSequence(revision))",
    ),
    test: RULES,
  },
  {
    rule: 7,
    what: "chunks are freed that died after the window's start",
    changes: one("src/dig/freeing.ts", "const hi = Math.min(progress.range.hi, this.window());", "const hi = progress.range.hi;"),
    test: RULES,
  },
  {
    rule: 8,
    what: "readers hold no chunks",
    changes: one("src/dig/freeing.ts", "const isRead = this.leases.holdsChunk(chunk, death);", "const isRead = false;"),
    test: RULES,
  },
  {
    rule: 8,
    what: "readers hold no pages",
    changes: one("src/dig/freeing.ts", "const isRead = this.leases.holdsPage(birth, death);", "const isRead = false;"),
    test: RULES,
  },
  {
    rule: 9,
    what: "a dropped tree leaves the next tree's list alone to be read, not the range up to it",
    changes: one("src/dig/freeing.ts", "workRow(revision, next.info.revision)", "workRow(next.info.revision - 1, next.info.revision)"),
    test: RULES,
  },
  {
    rule: 9,
    what: "the work set lies under one key, so that a second drop overwrites the first one's range",
    changes: [
      {
        file: "src/dig/freeing.ts",
        from: 'return rowPut(controlKey("work", lo, hi), Buffer.alloc(0));',
        to: 'const content = Buffer.alloc(16);\n  writeU64(content, lo, 0);\n  writeU64(content, hi, 8);\n  return rowPut(controlKey("work", 0, 0), content);',
      },
      {
        file: "src/dig/freeing.ts",
        from: "const range = { lo: keyNumber(row.key, 0), hi: keyNumber(row.key, 1) };",
        to: 'const content = this.store.rows.get(controlKey("work", 0, 0))!;\n    const range = { lo: readU64(content, 0), hi: readU64(content, 8) };',
      },
      {
        file: "src/dig/freeing.ts",
        from: 'const key = controlKey("work", range.lo, range.hi);',
        to: 'const key = range.hi < 0 ? controlKey("work", range.lo) : controlKey("work", 0, 0);',
      },
    ],
    test: RULES,
  },
  {
    rule: 9,
    what: "moving the window adds nothing to the work set",
    changes: one("src/dig/freeing.ts", "[rowPut(this.store.windowKey, content), workRow(old, revision)]", "[rowPut(this.store.windowKey, content)]"),
    test: RULES,
  },
  {
    rule: 10,
    what: "dedup names what is condemned",
    changes: one("src/dig/chunk-store.ts", "if (this.condemned.has(chunk)) continue;", ""),
    test: RULES,
  },
  {
    rule: 10,
    what: "freeing waits for no batch that was decided before",
    changes: one("src/dig/freeing.ts", "if (candidates.deaths.length > 0) await barrier.projected(await barrier.headRevision());", ""),
    test: RULES,
  },
  {
    rule: 10,
    what: "freeing does not ask what was touched since the newest tree",
    changes: one("src/dig/freeing.ts", "if (barrier.isTouched(entry.chunk as ChunkNumber))", "if (barrier.isTouched(0 as ChunkNumber))"),
    test: RULES,
  },
  {
    rule: 11,
    what: "bits change in a transaction of their own",
    changes: one(
      "src/dig/committer.ts",
      "await this.rows.file.commit([...writes, ...bits, ...this.count(changes)]);",
      "await this.rows.file.commit([...writes, ...this.count(changes)]);\n    await this.rows.file.commit(bits);",
    ),
    test: RULES,
  },
  {
    rule: 11,
    what: "blocks are used again before their freeing is durable",
    changes: [
      {
        file: "src/dig/committer.ts",
        from: "const writes = changes.flatMap((change) => change.writes);",
        to: "const writes = changes.flatMap((change) => change.writes);\n    for (const change of changes) for (const range of change.freed ?? []) this.allocation.release(range);",
      },
    ],
    test: RULES,
  },
  {
    rule: 13,
    what: "a batch that is sent again is stored again",
    changes: one("src/actors/machine/state.ts", 'return batch.sequence === expectedSequence ? "next" : "repeat";', 'return "next";'),
    test: INGEST,
  },
  {
    rule: 13,
    what: "a batch that is sent again is known by its number alone",
    changes: one(
      "src/actors/machine/ingest.ts",
      "if (sameAsStored(batch, events, (chunk) => this.options.chunks.describe(chunk).hash)) return acknowledged;",
      "void sameAsStored;\n      if (events.length > 0) return acknowledged;",
    ),
    test: INGEST,
  },
  {
    rule: 14,
    what: "chunks that no event names are not given back at open",
    changes: one("src/actors/machine/open.ts", "await dig.chunks.giveBack(projection.nextChunk());", ""),
    test: "test/unit/actors/machine-open.test.ts",
  },
  {
    rule: 15,
    what: "snapshots that leave the window get no trees",
    changes: [
      {
        file: "src/actors/retention/rebase.ts",
        from: "await projection.buildPastTree(revision);\n    }\n    if (await machine",
        to: "}\n    if (await machine",
      },
      { file: "src/actors/retention/rebase.ts", from: "if (trees.includes(undefined)) {", to: "if (trees.length === 0) {" },
    ],
    test: RETENTION,
    walksMax: 20,
  },
  {
    rule: 15,
    what: "nobody looks again for a snapshot that was taken between the trees and the event",
    changes: one("src/actors/retention/rebase.ts", "if (trees.includes(undefined)) {", "if (trees.length === 0) {"),
    test: RETENTION,
    walksMax: 40,
  },
  {
    rule: 17,
    what: "a rebase names no trees of snapshots",
    changes: one(
      "src/actors/retention/rebase.ts",
      "const trees = [...before, to].map((revision) => dig.trees.seal(revision));",
      "const trees = [to].map((revision) => dig.trees.seal(revision));",
    ),
    test: RETENTION,
    walksMax: 20,
  },
  {
    rule: 17,
    what: "a rebase forgets the snapshots before the window",
    changes: one("src/actors/retention/rebase.ts", "return { enrolled, snapshots, policy", "return { enrolled, snapshots: snapshots.slice(0, 0), policy"),
    test: RETENTION,
    walksMax: 20,
  },
  {
    rule: 17,
    what: "numbers of chunks are given again once the newest ones were freed",
    changes: one("src/dig/chunk-store.ts", "...trees.map(({ nextChunk }) => nextChunk),", ""),
    test: RULES,
  },
];
