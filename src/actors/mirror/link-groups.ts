/**
 * Names of one file: its content comes once, under the name that is met first, and is copied inside the store for the others, so that
 * every key is a whole object. Without a place for further groups, files are fetched once for each name.
 */
import type { ContentDigest } from "../../core/index.ts";
import type { Claim } from "../../projections/index.ts";
import type { Entry } from "../../rsync/index.ts";
import type { PlaceHolder } from "./depot.ts";

const GROUPS_MAX = 500_000; // About 150 bytes each.

/** What all names of a file share. */
export interface LinkGroup<Follower> {
  readonly holder: PlaceHolder;
  sizeBytes: number;
  digest: ContentDigest | undefined;
  claim: Claim | undefined;
  /** coming: asked for, or taken from the wire. stored: on its way into the store, in order. */
  state: "coming" | "stored" | "failed";
  /** When the content becomes visible; see PublicationOrder. */
  rank: number;
  readonly followers: Follower[];
}

export class LinkGroups<Follower> {
  private readonly groups = new Map<number | string, LinkGroup<Follower>>();

  of(entry: Entry): LinkGroup<Follower> | undefined {
    return entry.hardLink === undefined ? undefined : this.groups.get(entry.hardLink.group);
  }

  /** The name leads its group from here on, where it has one. */
  lead(entry: Entry, group: LinkGroup<Follower>): LinkGroup<Follower> | undefined {
    if (entry.hardLink === undefined || this.groups.size >= GROUPS_MAX) return undefined;
    this.groups.set(entry.hardLink.group, group);
    return group;
  }
}
