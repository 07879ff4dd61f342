/** A process that receives a module and keeps nothing: what the benchmark measures. Arguments: port, module, "list" or "fetch". Prints what came. */
import { openXxh3 } from "../../src/app/os/index.ts";
import { openDigests, Session } from "../../src/rsync/index.ts";
import { converse } from "../support/rsync-driver.ts";

const [port, module, mode] = process.argv.slice(2) as [string, string, "list" | "fetch"];
const session = new Session({ module }, await openDigests(openXxh3()));
const counts = { entries: 0, files: 0, bytes: 0 };
await converse(session, Number(port), (event) => {
  switch (event.type) {
    case "entry":
      counts.entries++;
      if (mode === "fetch" && event.entry.kind === "file") session.request(event.index);
      return;
    case "data":
      counts.bytes += event.bytes.length;
      return;
    case "fileEnd":
      if (event.outcome !== "verified") throw new Error(`${event.entry.path}: ${event.outcome}`);
      counts.files++;
      return;
    default:
  }
});
console.log(JSON.stringify(counts));
