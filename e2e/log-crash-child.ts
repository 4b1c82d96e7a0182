// The process that `log-crash.ts` kills: submits claims as fast as it can and says which were acknowledged.
//
// Writes lines `<index> <key>` to standard output, each only after the log has acknowledged the claim.

import { writeSync } from "node:fs";
import { formatRawEntry, rawProtocol } from "@trustix/nix";
import { createSigner } from "@trustix/tlog";
import { PublishedLog } from "trustix/src/log/published-log.ts";

const [directory, origin, key, tag, batchMs] = process.argv.slice(2);
const log = await PublishedLog.open(
  { origin: origin!, directory: directory!, batchMs: Number(batchMs) },
  { protocol: rawProtocol, signer: await createSigner(key!) },
);

let next = 0;
const submitter = async () => {
  for (;;) {
    const name = `${tag}/${next++}`;
    const { index } = await log.submit(
      formatRawEntry({ key: Buffer.from(name), value: Buffer.from(`value of ${name}`) }),
    );
    // Synchronous, so that what was acknowledged has left this process before it can be killed.
    writeSync(1, `${index} ${name}\n`);
  }
};
writeSync(1, "ready\n");
await Promise.all(Array.from({ length: 48 }, submitter));
