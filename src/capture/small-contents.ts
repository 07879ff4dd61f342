/** The contents of small files, read many in one call from the listing that their looks came from. */
import { SMALL_FILE_CHANGED, SMALL_FILE_NO_ROOM } from "../core/index.ts";
import type { Arrival } from "./burst.ts";
import { kindOf, sizeOf } from "./memory/index.ts";
import type { Site } from "./site.ts";

export class SmallContents {
  private readonly found = new Map<Arrival, Buffer>();
  private readonly waiting: Arrival[];
  private readonly wanted: Set<Arrival>;
  private readonly site: Site;
  private readonly room: Buffer;

  /** `room`: limits.smallReadBytes, used for one read after the other. */
  constructor(site: Site, arrivals: readonly Arrival[], room: Buffer) {
    this.site = site;
    this.room = room;
    this.waiting = arrivals.filter((each) => each.listing !== undefined && kindOf(each.record) === "file" && sizeOf(each.record) <= site.limits.smallFileBytes);
    this.waiting.reverse();
    this.wanted = new Set(this.waiting);
  }

  /** The content of a file as its look has it, valid until the next call; undefined where it was not read, or is no longer that. To be asked in order. */
  of(arrival: Arrival): Buffer | undefined {
    while (this.wanted.has(arrival)) this.read();
    const bytes = this.found.get(arrival);
    this.found.delete(arrival);
    return bytes;
  }

  private read(): void {
    const { os, limits } = this.site;
    const batch: Arrival[] = [];
    let bytesSum = 0;
    for (let next = this.waiting.at(-1); next !== undefined && bytesSum + sizeOf(next.record) <= limits.smallReadBytes; next = this.waiting.at(-1)) {
      batch.push(next);
      bytesSum += sizeOf(next.record);
      this.waiting.pop();
      this.wanted.delete(next);
    }
    const [first] = batch;
    if (first?.listing === undefined) return;
    const path = this.site.nodes.location(first.parent)?.path;
    if (path === undefined) return;
    const { bytes, offsets, lengths } = os.readSmallFiles(
      path,
      first.listing.buffer,
      batch.map((each) => each.listing?.index ?? 0),
      this.room,
    );
    batch.forEach((each, i) => {
      const length = lengths[i] ?? SMALL_FILE_CHANGED;
      const offset = offsets[i] ?? 0;
      if (length !== SMALL_FILE_CHANGED && length !== SMALL_FILE_NO_ROOM) this.found.set(each, bytes.subarray(offset, offset + length));
    });
  }
}
