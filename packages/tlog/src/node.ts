/** `@trustix/tlog/node`: what only runs on Node. */
export { createNodeHasher } from "./hasher/node-hasher.ts";
