/**
 * Answers as JSON, one object on one line. Times (`…Us`) become ISO in UTC with microseconds and lose the suffix; mtimeSeconds and
 * mtimeNanos become `mtime`. Paths become text; where one is not valid UTF-8, `<key>Base64` has its bytes.
 */
import { bytesOf } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { isoOfNanos, isoOfUs } from "../instants/index.ts";
import { nameForPeople } from "./names.ts";

const BYTE_KEYS: ReadonlySet<string> = new Set(["path", "fromPath", "linkTarget", "paths", "target", "heldBy"]);

export function jsonLine(value: unknown): string {
  return `${JSON.stringify(converted(value))}\n`;
}

function converted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(converted);
  if (typeof value !== "object" || value === null) return value;
  const source = value as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(source)) convertField(result, source, key, field);
  return result;
}

function convertField(result: Record<string, unknown>, source: Record<string, unknown>, key: string, field: unknown): void {
  const isEntryName = key === "name" && "node" in source && "kind" in source;
  if (typeof field === "number" && key.endsWith("Us")) result[key.slice(0, -2)] = isoOfUs(field);
  else if (key === "mtimeSeconds" && typeof field === "number") result["mtime"] = isoOfNanos(field, Number(source["mtimeNanos"] ?? 0));
  else if (key === "mtimeNanos") return;
  else if (typeof field === "string" && (BYTE_KEYS.has(key) || isEntryName)) putBytes(result, key, field as ByteString);
  else if (Array.isArray(field) && BYTE_KEYS.has(key)) result[key] = field.map((each: ByteString) => textOf(each) ?? nameForPeople(each));
  else result[key] = key === "data" ? field : converted(field); // An event's data is readable already.
}

function putBytes(result: Record<string, unknown>, key: string, bytes: ByteString): void {
  const text = textOf(bytes);
  result[key] = text ?? nameForPeople(bytes);
  if (text === undefined) result[`${key}Base64`] = bytesOf(bytes).toString("base64");
}

function textOf(bytes: ByteString): string | undefined {
  const text = bytesOf(bytes).toString("utf8");
  return Buffer.from(text, "utf8").equals(bytesOf(bytes)) ? text : undefined;
}
