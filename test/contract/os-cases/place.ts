/** Where one implementation is tested: a folder of its own, and short words for what every case does. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { byteStringOfText, OsError } from "../../../src/core/index.ts";
import type { ByteString, Os } from "../../../src/core/index.ts";
import * as assert from "uvu/assert";

/** What is promised, and the test of it. */
export type Cases = Readonly<Record<string, (place: Place) => void>>;

export interface Place {
  readonly os: Os;
  readonly isNative: boolean;
  /** The filesystem, where it was made for the test. */
  readonly filesystem: { readonly type: string; readonly path: string; readonly uuid: string } | undefined;
  /** A fresh, empty folder. */
  folder(): ByteString;
}

export function placeIn(path: string, os: Os, filesystem: Place["filesystem"]): Place {
  mkdirSync(path);
  return { os, isNative: os.source === "native", filesystem, folder: () => byteStringOfText(mkdtempSync(join(path, "f-"))) };
}

/** A path below a folder; `name` is raw bytes, one per character. */
export function below(folder: ByteString, name: string): ByteString {
  return `${folder}/${name}` as ByteString;
}

export function writeFile(os: Os, path: ByteString, content: string | Uint8Array): void {
  const fd = os.openWrite(path, { exclusive: false, truncate: true });
  os.write(fd, Buffer.from(content), 0);
  os.close(fd);
}

export function readFile(os: Os, path: ByteString): Buffer {
  const fd = os.openRead(path);
  try {
    const bytes = Buffer.alloc(os.fstat(fd).sizeBytes);
    assert.is(os.read(fd, bytes, 0), bytes.length);
    return bytes;
  } finally {
    os.close(fd);
  }
}

/** The code of the OsError that `action` ends with; "" where it ends well. */
export function codeOf(action: () => unknown): string {
  try {
    action();
    return "";
  } catch (error) {
    assert.instance(error, OsError);
    return (error as OsError).code;
  }
}

/** Runs a program of the system, so that what is expected does not come from the code under test. */
export function system(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: "latin1" }).trim();
}
