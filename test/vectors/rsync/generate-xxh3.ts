/** Writes xxh3.json with the xxHash library's own values, by way of Debian's python3-xxhash. To be run once. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const SIZES = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 32, 33, 64, 65, 96, 127, 128, 129, 144, 160, 191, 239, 240, 241, 255, 256, 257, 320, 512, 1023, 1024, 1025, 2048, 2049, 10_000];
const SEEDS = [0, 1, 12_345, -77, -(2 ** 31)];
const SCRIPT = `
import json, xxhash
content = bytes((i * 167 + (i >> 8) * 13 + 5) & 255 for i in range(10000))
print(json.dumps([[seed, size, xxhash.xxh3_64(content[:size], seed=seed % 2**64).hexdigest(), xxhash.xxh3_128(content[:size], seed=seed % 2**64).hexdigest(), xxhash.xxh64(content[:size], seed=seed % 2**64).hexdigest()] for seed in ${JSON.stringify(SEEDS)} for size in ${JSON.stringify(SIZES)}]))
`;

const rows = JSON.parse(execFileSync("/usr/bin/python3", ["-c", SCRIPT], { encoding: "utf8" })) as unknown[][];
writeFileSync(join(import.meta.dirname, "xxh3.json"), `[\n${rows.map((row) => ` ${JSON.stringify(row)}`).join(",\n")}\n]\n`);
