/** Serves Rainbow's own table, where commands look for it. */
import { askerAt } from "../asker.ts";
import type { Operations } from "../operations/index.ts";
import { noteSocket } from "./location.ts";
import { OPERATIONS_MANIFEST } from "./manifest.ts";
import { serve } from "./server.ts";
import type { Hello, Serving, Table } from "./server.ts";

/** Listens on `path` and notes it in the data directory; both are taken back on close. */
export async function serveOperations(
  operations: Operations,
  options: { readonly path: string; readonly hello: Omit<Hello, "protocol">; readonly signal: AbortSignal },
): Promise<Serving> {
  const serving = await serve(operations as unknown as Table, { ...options, manifest: OPERATIONS_MANIFEST, askerAt });
  const takeBack = noteSocket(options.hello.dataDirectory, options.path);
  const close = async (): Promise<void> => {
    takeBack();
    await serving.close();
  };
  options.signal.addEventListener("abort", takeBack, { once: true });
  return { ...serving, close };
}
