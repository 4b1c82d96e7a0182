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
  /** Whether the navigation has it. */
  readonly isListed: boolean;
  readonly View: ComponentType<PageProps>;
}

/** All pages, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  { title: "Overview", segment: "", isListed: true, View: OverviewPage },
  { title: "Builders", segment: "builders", isListed: true, View: BuildersPage },
  { title: "Packages", segment: "packages", isListed: true, View: PackagesPage },
  { title: "Disputes", segment: "disputes", isListed: true, View: DisputesPage },
  { title: "Logs", segment: "logs", isListed: true, View: LogsPage },
  { title: "Evidence", segment: "evidence", isListed: true, View: EvidencePage },
  { title: "Path", segment: "path", isListed: false, View: PathPage },
  { title: "What differs", segment: "diff", isListed: false, View: DiffPage },
  { title: "Log", segment: "log", isListed: false, View: LogPage },
  { title: "Log of this node", segment: "own", isListed: false, View: OwnLogPage },
];

const NOT_FOUND: Page = { title: "Not found", segment: "?", isListed: false, View: NotFoundPage };

/** The page of an address. */
export function pageOf(segments: readonly string[]): Page {
  return PAGES.find(({ segment }) => segment === (segments[0] ?? "")) ?? NOT_FOUND;
}

function NotFoundPage() {
  return (
    <PageHeading title="There is no such page">
      <a href={hrefTo([])}>To the overview</a>
    </PageHeading>
  );
}
