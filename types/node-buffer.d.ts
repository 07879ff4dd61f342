/** Buffer methods that Node has and @types/node does not name: the direct calls behind `write` and `toString` for one encoding. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Slice(start?: number, end?: number): string;
  utf8Write(text: string, offset?: number, length?: number): number;
}
