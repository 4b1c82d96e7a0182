// The process that `subscribe-crash.ts` kills: follows logs as fast as it can.

import { writeSync } from "node:fs";
import { Subscriptions, type SubscriptionsOptions } from "trustix/src/subscribe/subscriptions.ts";

const options = JSON.parse(process.argv[2]!) as SubscriptionsOptions;
await Subscriptions.open(options);
writeSync(1, "ready\n");
