/** Names, descriptions and part sizes of objects in a bucket: pure functions, held to what S3 allows. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteStringOf } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import type { ObjectMetadata } from "../../../src/objects/index.ts";
import { bucketNameOf, isBucketName } from "../../../src/objects/s3/index.ts";
import { decodeMetadata, encodeMetadata } from "../../../src/objects/s3/headers.ts";
import { pathOfName, storedName } from "../../../src/objects/s3/names.ts";
import { COPY_BYTES_MAX, copyPieces, PART_BYTES_MIN, partSizesFor } from "../../../src/objects/s3/part-sizes.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";

const cases = suite("objects: names in a bucket");
const runs = { seed: campaignSeed(), numRuns: scale(20_000) };

/** Paths of all kinds: text, bytes, long ones, percent signs. */
const component = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ minLength: 1, maxLength: 250 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom("a", "%41", "%", "ü", "new\nline", "...", "x".repeat(250)).map((text) => Buffer.from(text)),
);
const path = fc.array(component, { minLength: 1, maxLength: 9 }).map((components) => {
  const clean = components.map((bytes) =>
    byteStringOf(bytes)
      .replace(/[/\0]/g, "_")
      .replace(/^\.{1,2}$/, "dots"),
  );
  return clean.join("/") as ByteString;
});
const metadata = fc.record<ObjectMetadata>({
  kind: fc.constantFrom("file", "directory", "symlink"),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeNanos: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  linkTarget: fc.constant(undefined),
  digest: fc.oneof(
    fc.constant(undefined),
    fc.uint8Array({ minLength: 8, maxLength: 32 }).map((bytes) => ({ name: "xxh128", bytes: Buffer.from(bytes) })),
  ),
});

cases("every path has a key that S3 takes, and is read back from it", () => {
  const property = fc.property(path, fc.boolean(), fc.integer({ min: 0, max: 512 }), (key, isDirectory, prefixBytes) => {
    const { name, pathName } = storedName(key, isDirectory, prefixBytes);
    assert.ok(prefixBytes + Buffer.byteLength(name) <= 1024);
    assert.not.match(name, /[\x00-\x1f\x7f\ufffd\ufffe\uffff]/);
    if (pathName === undefined) assert.is(pathOfName(name), isDirectory ? `${key}/` : key);
    else assert.match(name, /^\.rainbow\/long\/[0-9a-f]{64}$/);
  });
  fc.assert(property, runs);
});

cases("two paths never have the same key", () => {
  const property = fc.property(path, path, fc.boolean(), fc.boolean(), (a, b, isDirectoryA, isDirectoryB) => {
    if (a === b && isDirectoryA === isDirectoryB) return;
    assert.is.not(storedName(a, isDirectoryA, 0).name, storedName(b, isDirectoryB, 0).name);
  });
  fc.assert(property, runs);
});

cases("plain paths are their own keys", () => {
  for (const plain of ["pool/main/a b.deb", "über/日本語", "a%41", "_-.~!*'()", "...", "a.b..c"]) {
    assert.is(storedName(byteStringOf(Buffer.from(plain)), false, 0).name, plain);
  }
  assert.is(storedName("d" as ByteString, true, 0).name, "d/");
  assert.is(storedName("\xff%" as ByteString, true, 0).name, ".rainbow/names/%FF%25/");
});

cases("mode, time and digest are read back as they were", () => {
  const property = fc.property(metadata, (value) => {
    const decoded = decodeMetadata(encodeMetadata(value));
    assert.equal(decoded, { ...value });
  });
  fc.assert(property, runs);
});

cases("targets of links are read back byte by byte; long ones are left to the content", () => {
  const link = (target: string): ObjectMetadata => ({
    kind: "symlink",
    mode: 0o777,
    mtimeSeconds: 0,
    mtimeNanos: 0,
    linkTarget: target as ByteString,
    digest: undefined,
  });
  for (const target of ["a b", "%41", "\xff\n", " edges ", "../x"]) {
    const encoded = encodeMetadata(link(target));
    assert.match(encoded["target"] ?? "", /^[\x21-\x7e]+$/);
    assert.is(decodeMetadata(encoded)?.linkTarget, target);
  }
  assert.is(decodeMetadata(encodeMetadata(link("x".repeat(1025))))?.linkTarget, undefined);
});

cases("what others wrote as metadata is no mirror's, and never an error", () => {
  const texts = [undefined, {}, { mode: "644" }, { mode: "100644" }, { mode: "100644", mtime: "yesterday" }, { mode: "060644", mtime: "1" }, { mtime: "1" }];
  for (const headers of texts) assert.is(decodeMetadata(headers as Record<string, string> | undefined), undefined);
  assert.equal(decodeMetadata({ mode: "100644", mtime: "-0.25", digest: "what?" }), {
    kind: "file",
    mode: 0o644,
    mtimeSeconds: -1,
    mtimeNanos: 750_000_000,
    linkTarget: undefined,
    digest: undefined,
  });
});

cases("every module has a bucket's name, its own where that is one", () => {
  for (const module of ["debian", "debian-security", "a.b", "0ad"]) assert.is(bucketNameOf(module), module);
  for (const module of ["Debian", "debian_security", "a", "", "xn--x", "10.0.0.1", "x".repeat(100), "-a-", "ü", "a..b"]) {
    const name = bucketNameOf(module);
    assert.ok(isBucketName(name), `${module}: ${name}`);
    assert.is.not(name, bucketNameOf(`${module} `));
  }
  assert.match(bucketNameOf("Debian_Security"), /^debian-security-[0-9a-f]{8}$/);
});

cases("parts of every size keep to the limits of S3", () => {
  const property = fc.property(
    fc.integer({ min: 0, max: 9_000 * 64 * 2 ** 20 }),
    fc.integer({ min: PART_BYTES_MIN, max: 6 * 2 ** 30 }),
    (sizeBytes, copyBytes) => {
      const { partBytes, partBytesMin } = partSizesFor(sizeBytes);
      assert.ok(partBytesMin >= PART_BYTES_MIN && partBytes >= partBytesMin && partBytes <= 64 * 2 ** 20);
      assert.ok(sizeBytes / partBytesMin <= 10_000);
      const pieces = copyPieces(7, copyBytes);
      assert.is(
        pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0),
        copyBytes,
      );
      assert.ok(pieces.every((piece) => piece.lengthBytes >= PART_BYTES_MIN && piece.lengthBytes <= COPY_BYTES_MAX));
    },
  );
  fc.assert(property, runs);
  assert.throws(() => partSizesFor(2 ** 50));
});

cases.run();
