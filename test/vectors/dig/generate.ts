/** Writes v1.json: run once for each released format, and never again for that one. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeVectorStore, storedVector } from "./store.ts";

writeFileSync(join(import.meta.dirname, "v1.json"), `${JSON.stringify(storedVector(await makeVectorStore()), undefined, 1)}\n`);
