/**
 * The states of the NAR parser and the keywords of the grammar (see `format.ts`). Runs in browsers.
 */

import { encodeUtf8 } from "../encoding.ts";

/** What the next token must be. */
export const State = {
  magic: 0,
  open: 1,
  type: 2,
  kind: 3,
  fileField: 4,
  executableValue: 5,
  contentsKey: 6,
  size: 7,
  contents: 8,
  padding: 9,
  targetKey: 10,
  target: 11,
  close: 12,
  entryOrClose: 13,
  entryOpen: 14,
  nameKey: 15,
  name: 16,
  nodeKey: 17,
  entryClose: 18,
  end: 19,
} as const;
export type State = (typeof State)[keyof typeof State];

/** The keywords, as bytes. */
export const MAGIC = /* @__PURE__ */ encodeUtf8("nix-archive-1");
export const OPEN = /* @__PURE__ */ encodeUtf8("(");
export const CLOSE = /* @__PURE__ */ encodeUtf8(")");
export const TYPE = /* @__PURE__ */ encodeUtf8("type");
export const REGULAR = /* @__PURE__ */ encodeUtf8("regular");
export const EXECUTABLE = /* @__PURE__ */ encodeUtf8("executable");
export const EMPTY = /* @__PURE__ */ new Uint8Array(0);
export const CONTENTS = /* @__PURE__ */ encodeUtf8("contents");
export const SYMLINK = /* @__PURE__ */ encodeUtf8("symlink");
export const TARGET = /* @__PURE__ */ encodeUtf8("target");
export const DIRECTORY = /* @__PURE__ */ encodeUtf8("directory");
export const ENTRY = /* @__PURE__ */ encodeUtf8("entry");
export const NAME = /* @__PURE__ */ encodeUtf8("name");
export const NODE = /* @__PURE__ */ encodeUtf8("node");

/** Length of the longest keyword. */
export const MAX_KEYWORD_BYTES = 13;

/** What a state expects, for an error message. */
export function expectedIn(state: State): string {
  switch (state) {
    case State.magic:
      return 'the magic "nix-archive-1" of a NAR';
    case State.open:
    case State.entryOpen:
      return '"("';
    case State.type:
      return '"type"';
    case State.kind:
      return '"regular", "directory" or "symlink"';
    case State.fileField:
      return '"executable" or "contents"';
    case State.executableValue:
      return 'an empty string after "executable"';
    case State.contentsKey:
      return '"contents"';
    case State.targetKey:
      return '"target"';
    case State.nameKey:
      return '"name"';
    case State.nodeKey:
      return '"node"';
    case State.entryOrClose:
      return '"entry" or ")"';
    default:
      return '")"';
  }
}
