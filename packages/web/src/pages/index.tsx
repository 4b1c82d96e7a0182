// Which page an address names.
import type { ComponentType } from "preact";
import { hrefTo } from "../router.ts";
import { PageHeading } from "../ui/heading.tsx";
import { BuildersPage } from "./builders.tsx";
import { DiffPage } from "./diff.tsx";
import { DisputesPage } from "./disputes.tsx";
import { EvidencePage } from "./evidence.tsx";
import { LogPage } from "./log.tsx";
import { LogsPage } from "./logs.tsx";
import { OverviewPage } from "./overview.tsx";
import { OwnLogPage } from "./own-log.tsx";
import { PackagePage } from "./package.tsx";
import { PackagesPage } from "./packages.tsx";
import { PathPage } from "./path.tsx";

/** What a page gets. */
export interface PageProps {
  /** What follows the page's own segment in the address. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Pages of a list that the reader came through. */
  readonly depth: number;
}

/** A page. */
export interface Page {
  readonly title: string;
  /** First segment of its address. */
  readonly segment: string;
  /** Segment of the page in the navigation that leads to it; undefined for those in the navigation. */
  readonly within?: string;
  readonly View: ComponentType<PageProps>;
}

/** All pages, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  { title: "Overview", segment: "", View: OverviewPage },
  { title: "Builders", segment: "builders", View: BuildersPage },
  { title: "Packages", segment: "packages", View: PackagesPage },
  { title: "Disputes", segment: "disputes", View: DisputesPage },
  { title: "Logs", segment: "logs", View: LogsPage },
  { title: "Evidence", segment: "evidence", View: EvidencePage },
  { title: "Package", segment: "package", within: "packages", View: PackagePage },
  { title: "Path", segment: "path", within: "packages", View: PathPage },
  { title: "What differs", segment: "diff", within: "disputes", View: DiffPage },
  { title: "Log", segment: "log", within: "logs", View: LogPage },
  { title: "Log of this node", segment: "own", within: "logs", View: OwnLogPage },
];

const NOT_FOUND: Page = { title: "Not found", segment: "?", within: "?", View: NotFoundPage };

/** The page of an address. */
export function pageOf(segments: readonly string[]): Page {
  return PAGES.find(({ segment }) => segment === (segments[0] ?? "")) ?? NOT_FOUND;
}

function NotFoundPage() {
  return (
    <>
      <PageHeading title="There is no such page">Nothing of this dashboard is at this address.</PageHeading>
      <ul class="elsewhere">
        {PAGES.filter(({ within }) => within === undefined).map(({ title, segment }) => (
          <li key={segment}>
            <a href={hrefTo(segment === "" ? [] : [segment])}>{title}</a>
          </li>
        ))}
      </ul>
    </>
  );
}
