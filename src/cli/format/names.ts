/**
 * Names as bytes and as text. Arguments that are not UTF-8 reach commands as text with each stray byte 0x80-0xFF as a lone surrogate
 * U+DC80-U+DCFF (PEP 383 does the same), so that every name can be named. What is printed never holds a control character.
 */
import { byteStringOf, byteStringOfText, bytesOf } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";

const ESCAPE_BASE = 0xdc00;

/** An argument of this process as text, of its raw bytes. */
export function argumentOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("utf8");
  if (!text.includes("\ufffd") || Buffer.from(text, "utf8").equals(Buffer.from(bytes))) return text;
  return [...utf8Runs(bytes)].join("");
}

/** The raw bytes of an argument. */
export function argumentBytes(argument: string): ByteString {
  if (!/[\udc80-\udcff]/.test(argument)) return byteStringOfText(argument);
  const parts = Array.from(argument, (character) => {
    const code = character.length === 1 ? character.charCodeAt(0) : 0;
    return code >= 0xdc80 && code <= 0xdcff ? String.fromCharCode(code - ESCAPE_BASE) : byteStringOfText(character);
  });
  return parts.join("") as ByteString;
}

/** One character at a time: valid sequences as they are, each other byte escaped. */
function* utf8Runs(bytes: Uint8Array): IterableIterator<string> {
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] ?? 0);
    const text = Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
    const isValid = length > 0 && Buffer.from(text, "utf8").equals(Buffer.from(bytes.subarray(at, at + length))) && /^.$/su.test(text);
    yield isValid ? text : String.fromCharCode(ESCAPE_BASE + (bytes[at] ?? 0));
    at += isValid ? length : 1;
  }
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/** For a line of text: UTF-8 where it is; control characters and stray bytes as \xNN, and then a backslash as \\. */
export function nameForPeople(name: ByteString): string {
  const text = argumentOf(bytesOf(name));
  if (!/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\udc80-\udcff]/.test(text)) return text;
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\udc80-\udcff\\]/g, (c) => {
    if (c === "\\") return "\\\\";
    const code = c.charCodeAt(0);
    const bytes = code >= 0xdc80 && code <= 0xdcff ? [code - ESCAPE_BASE] : [...Buffer.from(c, "utf8")];
    return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  });
}

/** A word that a shell reads back as exactly these bytes. */
export function shellWord(word: ByteString): string {
  const text = argumentOf(bytesOf(word));
  if (/^[\p{L}\p{N}_@%+=:,./-]+$/u.test(text)) return text;
  if (nameForPeople(word) === text) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = [...bytesOf(byteStringOf(bytesOf(word)))].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c ? String.fromCharCode(byte) : hex(byte),
  );
  return `$'${escaped.join("")}'`;
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
