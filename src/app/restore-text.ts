/** What a data directory says about itself to whoever finds it without a running Rainbow. */
export const RESTORE_TEXT = `This folder holds the backup data of Rainbow: every write to the protected folders, as events, and the bytes themselves.
Do not change, move or delete single files in it.

How to get files back, on this machine or any other
---------------------------------------------------
1. Have Node.js (any version from 18 on) and git, and get Rainbow's sources; its README names the place.
   (Format 1 is read by this and all later versions.)
2. In the sources, with DATA for this folder (copy it first where the disk is in doubt: cp -a DATA /somewhere):

     bin/rainbow --data-dir DATA roots                                  the folders that were protected
     bin/rainbow --data-dir DATA ls /home/me/Documents@yesterday        what was there
     bin/rainbow --data-dir DATA log /home/me/Documents/a.txt           the versions of a file
     bin/rainbow --data-dir DATA restore /home/me/Documents --at '2026-05-01 17:00' --to /tmp/documents
     bin/rainbow --data-dir DATA check --read-data                      whether everything here is whole

   No server, no network and no other folder is needed. Run it as the owner of this folder, or as root; as root owners,
   device nodes and all other metadata come back too.

What the files are
------------------
  FORMAT                          JSON: format version, this machine's id and label. "complete": the stores below were made.
  events.lmdb                     what happened, in order: the truth. An LMDB environment in one file.
  machines/<id>/data.dig          the bytes, in chunks that describe themselves; src/dig/FORMAT.md has the layout.
  machines/<id>/control.lmdb      tables over data.dig; may be deleted, 'rainbow repair' makes them again from the two above.
  mirrors/<id>/                   file lists of mirrors, made again from the events; what they list lies where the mirror was put.
  agent/                          what the watcher remembers of the protected folders; may be deleted.
  lock, running.json              who works on this folder just now.

A lost FORMAT can be written by hand:
  {"format": 1, "machine": "<the name of the folder below machines/>", "label": "", "created": "", "complete": true}
`;

/** The same of a replay for an auditor. */
export function replayText({ of, revision }: { readonly of: string; readonly revision: number }): string {
  return `This folder holds a replay that Rainbow made for an auditor: the events of ${of} up to revision ${revision}, copied as they were,
and what was true then, built from them. It is no backup: the content of files lies in ${of} alone, and is read there
as long as that keeps it. Names, attributes and history are all here:

  bin/rainbow --data-dir DATA ls PATH          what was there (also tree, find, diff, log, deleted; cat and restore with the other folder)
  bin/rainbow --data-dir DATA audit --verify   whether the events are whole (--head: and go on from a hash that was kept elsewhere)

It can be deleted at any time.
`;
}
