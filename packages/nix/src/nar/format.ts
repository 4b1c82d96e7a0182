/**
 * The NAR (Nix archive) format: its grammar, limits and names. Specification: "Nix Archive (NAR) format" in the Nix
 * manual.
 *
 *     nar  = str("nix-archive-1") node
 *     node = str("(") str("type") kind str(")")
 *     kind = str("regular") [str("executable") str("")] str("contents") str(bytes)
 *          | str("symlink") str("target") str(bytes)
 *          | str("directory") { str("entry") str("(") str("name") str(bytes) str("node") node str(")") }
 *     str(s) = u64le(length of s), s, zeros up to a multiple of 8
 *
 * Names and link targets are bytes, as they are in a Unix file system: not every name is UTF-8. They are `Uint8Array`
 * wherever they are read; `narText` turns them into text. Where they are given, text means its UTF-8 bytes.
 */

import { encodeUtf8 } from "../encoding.ts";
import { NixError } from "../errors.ts";

/** Bounds on what is accepted. Every one has a default that no real store path reaches. */
export interface NarLimits {
  /** Directories inside each other, the root included. Default 2048 (a Unix path holds no more). */
  readonly maxDepth?: number;
  /** Bytes of one name. Default 255 (the limit of every common file system). */
  readonly maxNameBytes?: number;
  /** Bytes of one symlink target. Default 4095 (Linux's `PATH_MAX` less its final NUL). */
  readonly maxTargetBytes?: number;
  /** Bytes of the whole archive. Default 2^53 - 1. */
  readonly maxNarBytes?: number;
}

/** The limits used where none are given. */
export const defaultNarLimits: Required<NarLimits> = {
  maxDepth: 2048,
  maxNameBytes: 255,
  maxTargetBytes: 4095,
  maxNarBytes: Number.MAX_SAFE_INTEGER,
};

/** Order of names in a directory: bytewise, a prefix first. Negative, zero or positive. */
export function compareNarNames(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const strictDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a name or link target, or undefined when its bytes are not UTF-8 and so have no text. */
export function narText(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes for an error message: printable ASCII as it is, everything else as `\xNN`, cut at 80 bytes. */
export function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, 80)) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return bytes.length > 80 ? `"${text}…"` : `"${text}"`;
}

/** Bytes of a name or target given as text. A lone surrogate has no UTF-8 form and is refused with the code given. */
export function narBytes(
  value: string | Uint8Array,
  code: "NAR_NAME_INVALID" | "NAR_TARGET_INVALID",
): Uint8Array {
  if (typeof value !== "string") return value;
  if (!value.isWellFormed()) throw new NixError(code, "text has a lone surrogate: give the bytes instead");
  return encodeUtf8(value);
}

/** Refuses names that a directory cannot hold: empty, `.`, `..`, or with `/` or NUL. `where` ends the message. */
export function checkNarName(name: Uint8Array, maxBytes: number, where: string): void {
  if (name.length > maxBytes) {
    throw new NixError("NAR_LIMIT", `name of ${name.length} bytes, at most ${maxBytes} are allowed${where}`);
  }
  const dots = name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
  if (name.length === 0 || dots || name.includes(0x2f) || name.includes(0)) {
    throw new NixError("NAR_NAME_INVALID", `illegal name ${showBytes(name)}${where}`);
  }
}

/** Refuses targets that a symlink cannot hold: empty, or with NUL. `where` ends the message. */
export function checkNarTarget(target: Uint8Array, maxBytes: number, where: string): void {
  if (target.length > maxBytes) {
    throw new NixError(
      "NAR_LIMIT",
      `symlink target of ${target.length} bytes, at most ${maxBytes} are allowed${where}`,
    );
  }
  if (target.length === 0 || target.includes(0)) {
    throw new NixError("NAR_TARGET_INVALID", `illegal symlink target ${showBytes(target)}${where}`);
  }
}
