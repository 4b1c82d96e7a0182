// The checkpoint that the world sees for a log of this node, to recognise a state directory restored from an old copy.
import type { FetchPublished } from "../log/recover.ts";

const MAX_NOTE_BYTES = 1 << 20;

/**
 * Gets `<publicUrl>checkpoint`. The answer comes over the network and is not trusted; the log verifies it.
 * @param publicUrl the log's public prefix, ending in `/`
 */
export function fetchPublicCheckpoint(publicUrl: string, fetcher: typeof fetch = fetch): FetchPublished {
  return async (signal) => {
    const response = await fetcher(`${publicUrl}checkpoint`, {
      signal,
      headers: { "cache-control": "no-cache" },
    });
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${publicUrl}checkpoint answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of response.body ?? []) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_NOTE_BYTES)
        throw new Error(`${publicUrl}checkpoint has more than ${MAX_NOTE_BYTES} bytes`);
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  };
}
