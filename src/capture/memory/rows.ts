/** Two plain kinds of rows: bytes as they are, and JSON for what is rare. */
import type { Row } from "./memory.ts";

export class BytesRow implements Row {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  encode(): Uint8Array {
    return this.bytes;
  }
  static decode(bytes: Buffer): BytesRow {
    return new BytesRow(Buffer.from(bytes));
  }
}

export class JsonRow<T> implements Row {
  readonly value: T;
  constructor(value: T) {
    this.value = value;
  }
  encode(): Uint8Array {
    return Buffer.from(JSON.stringify(this.value), "utf8");
  }
  static decode<T>(bytes: Buffer): JsonRow<T> {
    return new JsonRow<T>(JSON.parse(bytes.toString("utf8")) as T);
  }
}
