/** Copies of objects that S3 does not copy in one request: what is asked of the server. */
import * as sdk from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../../src/core/index.ts";
import { Bucket } from "../../../src/objects/s3/bucket.ts";
import { S3Store } from "../../../src/objects/s3/store.ts";

const test = suite("object store: large copies in a bucket");
const GIB = 2 ** 30;
const KEY = "image.iso" as ByteString;

interface Asked {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** A server that has one object of that size, and does whatever it is asked. */
function storeWith(sizeBytes: number): { readonly store: S3Store; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  let partCount = 0;
  const answers: Readonly<Record<string, () => object>> = {
    HeadObjectCommand: () => ({ ContentLength: sizeBytes, ETag: '"old-9"', Metadata: { mode: "100644", mtime: "5.000000000" } }),
    CreateMultipartUploadCommand: () => ({ UploadId: "upload" }),
    UploadPartCopyCommand: () => ({ CopyPartResult: { ETag: `"${(++partCount).toString(16).padStart(32, "0")}"` } }),
    CompleteMultipartUploadCommand: () => ({ ETag: '"new-9"' }),
    CopyObjectCommand: () => ({ CopyObjectResult: { ETag: '"new"' } }),
  };
  const send = (command: { readonly constructor: { readonly name: string }; readonly input: Asked["input"] }): Promise<object> => {
    const { name } = command.constructor;
    asked.push({ name, input: command.input });
    return Promise.resolve(answers[name]!());
  };
  const client = { send } as unknown as S3Client;
  return { store: new S3Store(new Bucket({ sdk, client, name: "bucket", prefix: "", keepsVersions: false })), asked };
}

const digest = { name: "xxh128", bytes: Buffer.alloc(16, 7) };
const described = { kind: "file", mode: 0o644, mtimeSeconds: 5, mtimeNanos: 0, linkTarget: undefined, digest } as const;
const METADATA = { mode: "100644", mtime: "5.000000000", digest: `xxh128:${"07".repeat(16)}` };

test("an object of more than 5 GiB is described anew by a copy in parts, whole and of no other content", async () => {
  const sizeBytes = 300 * GIB + 12_345;
  const { store, asked } = storeWith(sizeBytes);
  assert.equal(await store.setMetadata(KEY, described), { version: undefined, etag: "new-9" });
  const [begun] = asked.filter(({ name }) => name === "CreateMultipartUploadCommand");
  assert.equal(begun!.input["Metadata"], METADATA);
  const copies = asked.filter(({ name }) => name === "UploadPartCopyCommand");
  let endBytes = 0;
  for (const [i, { input }] of copies.entries()) {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(input["CopySourceRange"] as string)!.map(Number);
    assert.equal([first, input["PartNumber"]], [endBytes, i + 1]);
    assert.ok(last! - first! < 5 * GIB && last! - first! > 5 * 2 ** 20, `${first}-${last}`);
    assert.equal([input["CopySource"], input["CopySourceIfMatch"]], ["bucket/image.iso", '"old-9"']);
    endBytes = last! + 1;
  }
  assert.is(endBytes, sizeBytes);
  const [joined] = asked.filter(({ name }) => name === "CompleteMultipartUploadCommand");
  const parts = (joined!.input["MultipartUpload"] as { readonly Parts: readonly { readonly PartNumber: number }[] }).Parts;
  assert.equal(
    parts.map(({ PartNumber }) => PartNumber),
    copies.map((_, i) => i + 1),
  );
  assert.not.ok(asked.some(({ name }) => name === "CopyObjectCommand"));
});

test("a smaller one is described anew in one request", async () => {
  const { store, asked } = storeWith(100 * 2 ** 20);
  assert.equal(await store.setMetadata(KEY, described), { version: undefined, etag: "new" });
  const [copied] = asked.filter(({ name }) => name === "CopyObjectCommand");
  assert.equal([copied!.input["Metadata"], copied!.input["MetadataDirective"], copied!.input["CopySourceIfMatch"]], [METADATA, "REPLACE", '"old-9"']);
});

test.run();
