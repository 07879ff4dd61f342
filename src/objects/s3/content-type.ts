/** The content type of a file by its name, so that a bucket can be served to browsers and package managers as it is. */
import type { ByteString } from "../../core/index.ts";
import type { ObjectKind } from "../object-store.ts";

const TYPES: Readonly<Record<string, string>> = {
  bz2: "application/x-bzip2",
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  deb: "application/vnd.debian.binary-package",
  gif: "image/gif",
  gz: "application/gzip",
  htm: "text/html; charset=utf-8",
  html: "text/html; charset=utf-8",
  iso: "application/x-iso9660-image",
  jar: "application/java-archive",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  rpm: "application/x-rpm",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  tgz: "application/gzip",
  txt: "text/plain; charset=utf-8",
  webp: "image/webp",
  xml: "application/xml",
  xz: "application/x-xz",
  zip: "application/zip",
  zst: "application/zstd",
};

export function contentTypeOf(key: ByteString, kind: ObjectKind): string {
  if (kind === "directory") return "application/x-directory";
  if (kind === "symlink") return "inode/symlink";
  const extension = /\.([a-z0-9]{1,5})$/i.exec(key)?.[1]?.toLowerCase();
  return (extension === undefined ? undefined : TYPES[extension]) ?? "application/octet-stream";
}
