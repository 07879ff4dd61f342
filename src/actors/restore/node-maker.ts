/**
 * Makes nodes of a view on disk. Everything but a directory is made whole under a temporary name beside its place (content and
 * metadata), and only then gets its name: whatever stands under a real name is complete, however the restore ends.
 */
import { OsError, unreachable } from "../../core/index.ts";
import type { ByteString, Os } from "../../core/index.ts";
import type { NodeRecord, View } from "../../projections/index.ts";
import { writeContent } from "./file-content.ts";
import type { Metadata } from "./metadata.ts";
import type { Pace } from "./pace.ts";
import type { Report } from "./report.ts";
import { joinPath, parentPath, temporaryName } from "./request.ts";
import { statOrNone } from "./target.ts";

/** What link(2) says where the filesystem, the file or its owner allows no (further) link. */
export const NO_LINK_CODES: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"];

export interface Publication {
  /** Fails with EEXIST rather than take the place of anything. */
  readonly exclusive: boolean;
  /** Something is there now: the new bytes are made durable before they take its place. */
  readonly replaces: boolean;
  /** Runs just before the name is given, to clear what a rename cannot replace. */
  readonly clear?: () => Promise<void>;
}

export class NodeMaker {
  private readonly os: Os;
  private readonly view: View;
  private readonly metadata: Metadata;
  private readonly pace: Pace;
  private readonly report: Report;
  private readonly token: string;
  private readonly scratch: Buffer;
  private counter = 0;

  constructor(parts: { os: Os; view: View; metadata: Metadata; pace: Pace; report: Report; token: string; scratch: Buffer }) {
    this.os = parts.os;
    this.view = parts.view;
    this.metadata = parts.metadata;
    this.pace = parts.pace;
    this.report = parts.report;
    this.token = parts.token;
    this.scratch = parts.scratch;
  }

  /** Makes a file, symlink or special file at `path`. Returns the metadata that could not be set, "" where all was. */
  async make(record: NodeRecord, path: ByteString, publication: Publication): Promise<string> {
    return this.published(path, publication, async (temporary) => {
      await this.makeContent(record, temporary, publication.replaces);
      return this.metadata.set(temporary, record);
    });
  }

  /** Gives the node that stands at `existing` one more name. */
  async link(existing: ByteString, path: ByteString, publication: Publication): Promise<void> {
    if (!publication.replaces) return this.os.link(existing, path);
    await this.published(path, publication, async (temporary) => {
      this.os.link(existing, temporary);
      return "";
    });
  }

  private async published(path: ByteString, publication: Publication, make: (temporary: ByteString) => Promise<string>): Promise<string> {
    const temporary = joinPath(parentPath(path), temporaryName(this.token, this.counter++));
    try {
      const problem = await make(temporary);
      await publication.clear?.();
      if (publication.exclusive) this.publishExclusively(temporary, path);
      else this.os.rename(temporary, path);
      return problem;
    } catch (error) {
      this.discard(temporary);
      throw error;
    }
  }

  private async makeContent(record: NodeRecord, path: ByteString, isDurable: boolean): Promise<void> {
    switch (record.kind) {
      case "file":
        return this.makeFile(record, path, isDurable);
      case "symlink":
        return this.os.symlink(record.linkTarget, path);
      case "fifo":
      case "socket":
      case "character":
      case "block":
        return this.os.makeSpecial(path, record.kind, 0o600, record.rdev);
      case "directory":
        throw new OsError("EISDIR", "make", path);
      default:
        return unreachable(record.kind);
    }
  }

  private async makeFile(record: NodeRecord, path: ByteString, isDurable: boolean): Promise<void> {
    const fd = this.os.openWrite(path, { exclusive: true, truncate: false });
    try {
      if (record.sizeBytes > 0) {
        const source = { view: this.view, node: record.node, sizeBytes: record.sizeBytes, scratch: this.scratch };
        await writeContent(this.os, fd, source, this.pace, (byteCount) => this.report.written(byteCount));
      }
      if (isDurable) this.os.fsync(fd);
    } finally {
      this.os.close(fd);
    }
  }

  /** link(2) never takes a name that exists. A filesystem without hard links gets the next best: look, then rename. */
  private publishExclusively(temporary: ByteString, path: ByteString): void {
    try {
      this.os.link(temporary, path);
    } catch (error) {
      if (!(error instanceof OsError) || !NO_LINK_CODES.includes(error.code)) throw error;
      if (statOrNone(this.os, path) !== undefined) throw new OsError("EEXIST", "rename", path);
      return this.os.rename(temporary, path);
    }
    this.os.unlink(temporary);
  }

  /** What is left of a failed attempt goes; the failure itself is the news. */
  private discard(temporary: ByteString): void {
    try {
      this.os.unlink(temporary);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
    }
  }
}
