/**
 * node database-load.ts ORDER: keeps one SQLite database under write load until SIGTERM: bursts of transactions over scattered pages,
 * with and without pauses between them. Ends by itself after `msMax`, should its parent be gone.
 */
import { DatabaseSync } from "node:sqlite";
import { seededRandom } from "../../support/random.ts";

export interface LoadOrder {
  readonly path: string;
  readonly journal: "delete" | "wal";
  readonly seed: number;
  readonly rowCount: number;
  readonly rowBytes: number;
  /** Small pages are many writes. */
  readonly pageBytes: number;
  /** Between two transactions. */
  readonly pauseMsMax: number;
  /** How often a pause is long enough to read the file in peace. */
  readonly restChance: number;
  readonly msMax: number;
}

const order = JSON.parse(process.argv[2] ?? "") as LoadOrder;
const { path, journal, rowCount, rowBytes, pageBytes, pauseMsMax, restChance } = order;
const random = seededRandom(order.seed);
const database = new DatabaseSync(path);
// Exclusive: without it the index of the log is shared memory, whose stores no recorder sees.
database.exec(`pragma page_size = ${pageBytes}; pragma locking_mode = exclusive; pragma journal_mode = ${journal}`);
database.exec("pragma synchronous = off; pragma wal_autocheckpoint = 200");
database.exec("create table rows (id integer primary key, text blob)");
const insert = database.prepare("insert into rows (text) values (?)");
const update = database.prepare("update rows set text = ? where id = ?");
database.exec("begin");
for (let i = 0; i < rowCount; i++) insert.run(random.bytes(rowBytes));
database.exec("commit");

let isEnding = false;
process.on("SIGTERM", () => (isEnding = true));
setTimeout(() => (isEnding = true), order.msMax).unref();

function step(): void {
  if (isEnding) {
    database.close();
    process.exit(0);
  }
  database.exec("begin");
  for (let i = 0; i < 4; i++) update.run(random.bytes(rowBytes), 1 + random.int(rowCount));
  if (random.chance(0.3)) insert.run(random.bytes(random.int(rowBytes)));
  database.exec(random.chance(0.1) ? "rollback" : "commit");
  setTimeout(step, random.chance(restChance) ? 400 : random.int(pauseMsMax));
}
step();
