/** The object store over a real S3 server: the contract with and without versions, and what a bucket promises beyond it. */
// Time limit: 900 s
import { suite } from "uvu";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { S3StoreOptions } from "../../src/objects/s3/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { startS3Server } from "../support/s3-server.ts";
import { skipped } from "../support/skip.ts";
import { objectStoreContract } from "./object-store-contract.ts";

const server = await startS3Server();
if (typeof server === "string") withoutServer(server);
else withServer(server);

function withoutServer(reason: string): void {
  const cases = suite("object store: s3");
  cases("the contract on a real S3 server", () => skipped("object store: s3", reason));
  cases.run();
}

function withServer({ endpoint, credentials, stop }: Exclude<typeof server, string>): void {
  let buckets = 0;
  const optionsOf = new Map<ObjectStore, S3StoreOptions>();
  const open = async (options: Partial<S3StoreOptions>): Promise<ObjectStore> => {
    const bucket = options.bucket ?? `test-${++buckets}`;
    const all: S3StoreOptions = { prefix: "", create: true, versioning: undefined, endpoint, credentials, ...options, bucket };
    const store = await openS3Store(all);
    optionsOf.set(store, all);
    return store;
  };
  const reopen = (store: ObjectStore): Promise<ObjectStore> => open(optionsOf.get(store)!);
  objectStoreContract({ name: "s3", make: () => open({}), reopen, stop: async () => {} });
  objectStoreContract({ name: "s3 below a prefix, with versions", make: () => open({ prefix: "a/b c", versioning: true }), reopen, stop });
}
