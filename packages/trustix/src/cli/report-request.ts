// What `trustix report` asks the daemon for, and how a long list of paths is asked for in parts.

import { mergeReports } from "../analyse/render/merge-reports.ts";
import type { ReportJson, ReportRequest } from "../http/insight-schema.ts";
import type { DaemonClient } from "./client.ts";

/** JSON of the paths in one request: the daemon reads it in one go, and has clients that wait meanwhile. */
const MAX_PART_BYTES = 1 << 20;

/**
 * The report on some paths, asked for in several requests when they are many.
 * @param paths base names, each once; undefined for all that is known
 * @param onProgress called with the paths that were counted so far
 * @throws TrustixError as the daemon does
 */
export async function fetchReport(
  client: DaemonClient,
  request: Omit<ReportRequest, "paths">,
  paths: readonly string[] | undefined,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<ReportJson> {
  const ask = async (body: ReportRequest): Promise<ReportJson> =>
    (await client.json({ method: "POST", path: "/api/v1/report", body, signal })) as ReportJson;
  if (paths === undefined) return await ask(request);
  const reports: ReportJson[] = [];
  let done = 0;
  for (const part of partsOf(paths, MAX_PART_BYTES)) {
    reports.push(await ask({ ...request, paths: part }));
    done += part.length;
    onProgress(done);
  }
  return mergeReports(reports, request.list);
}

/** Consecutive parts of a list whose JSON fits into `maxBytes`; one at least, and one path at least in each. */
export function partsOf(paths: readonly string[], maxBytes: number): string[][] {
  const parts: string[][] = [[]];
  let size = 0;
  for (const path of paths) {
    // Two quotes and a comma; store paths are ASCII and need no escapes.
    const added = path.length + 3;
    const last = parts.at(-1) as string[];
    if (size + added > maxBytes && last.length > 0) {
      parts.push([path]);
      size = added;
    } else {
      last.push(path);
      size += added;
    }
  }
  return parts;
}
