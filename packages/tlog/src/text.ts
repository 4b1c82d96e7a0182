/** What every text format of this package checks before it parses: size, UTF-8, control characters, final newline. */
import { decodeUtf8, encodeUtf8 } from "./encoding.ts";
import { recode, TlogError, type TlogErrorCode } from "./errors.ts";

/**
 * Default limit for signed notes and checkpoints, 1 MiB: room for 100 post-quantum signatures, and nothing that could
 * hurt. A service that knows its peers should set a smaller one.
 */
export const MAX_NOTE_BYTES = 1 << 20;

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the check for them
const CONTROL = /[\x00-\x09\x0b-\x1f]/;

/**
 * The text of a file in the C2SP text formats, which are all UTF-8 without control characters but newline.
 * @param what name of the format for messages
 * @throws TlogError `code`; NOTE_TOO_LARGE if `tooLarge` is not given and the input is above `maxBytes`
 */
export function readText(
  input: Uint8Array | string,
  what: string,
  maxBytes: number,
  code: TlogErrorCode,
  tooLarge: TlogErrorCode = code,
): string {
  // A string has at most as many UTF-16 units as UTF-8 bytes: the first check bounds the work of the second.
  if (input.length > maxBytes)
    throw new TlogError(tooLarge, `${what} is above the limit of ${maxBytes} bytes`);
  const message = `${what} is not UTF-8`;
  if (typeof input === "string" && recode(code, message, () => encodeUtf8(input)).length > maxBytes) {
    throw new TlogError(tooLarge, `${what} is above the limit of ${maxBytes} bytes`);
  }
  const text = typeof input === "string" ? input : recode(code, message, () => decodeUtf8(input));
  const control = text.search(CONTROL);
  if (control >= 0) throw new TlogError(code, `${what} has a control character at offset ${control}`);
  if (!text.endsWith("\n")) throw new TlogError(code, `${what} does not end in a newline`);
  return text;
}
