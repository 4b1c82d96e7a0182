// Text and figures for people. What comes from builders is hostile: characters that would steer or hide text are shown by
// number, and nothing is longer than it has reason to be.

/** Controls, and what changes the direction of text or is not seen at all. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/gu;

/** A text of which every character is seen, cut to a length. */
export function visible(text: string, maxLength = 500): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(UNSEEN, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

const numbers = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** `1,234,567` */
export const formatCount = (count: number): string => numbers.format(count);

/** `1.2M` */
export const formatCompact = (count: number): string => compact.format(count);

/** `1 path`, `2 paths`; the noun's plural ends in s. */
export const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A share as a percentage, exact enough to tell a tenth of a per mille from nothing: `0.02 %`. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  const distance = Math.min(percent, 100 - percent);
  const digits = distance < 0.995 ? 2 : distance < 9.95 ? 1 : 0;
  // Not everything is not all: 99.999 % must not read 100 %.
  const rounded = percent > 99.99 ? 99.99 : percent < 0.01 ? 0.01 : percent;
  const sign = percent > 99.99 ? "> " : percent < 0.01 ? "< " : "";
  return `${sign}${rounded.toFixed(digits)} %`;
}

/** A probability as {@link formatShare} shows it. What was estimated is never certain: 1 is `> 99.99 %`. */
export function formatProbability(probability: number): string {
  return formatShare(Math.min(Math.max(probability, 1e-9), 1 - 1e-9));
}

/** A share as a percentage with one decimal, for columns of them: `66.7 %`. Not everything is not all: 0.9999 is `99.9 %`. */
export function formatTenths(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  return `${Math.min(99.9, Math.max(0.1, share * 100)).toFixed(1)} %`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1.5 MiB` */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  for (; amount >= 1024 && unit < UNITS.length - 1; unit++) amount /= 1024;
  return unit === 0 ? `${formatCount(bytes)} bytes` : `${amount.toFixed(1)} ${UNITS[unit]}`;
}

const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_557_600_000],
  ["month", 2_629_800_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** `3 min. ago`; `just now` within the last minute, and whatever the clocks' difference makes of that. */
export function formatAgo(atMs: number, nowMs: number): string {
  const elapsed = nowMs - atMs;
  for (const [unit, ms] of STEPS) {
    if (Math.abs(elapsed) >= ms) return relative.format(-Math.round(elapsed / ms), unit);
  }
  return "just now";
}

/** `2026-11-22 18:04:05` in the reader's time zone. */
export function formatTime(atMs: number): string {
  const date = new Date(atMs);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (part: number): string => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A list in words: `a, b and c`. */
export const formatList = (items: readonly string[]): string =>
  new Intl.ListFormat("en", { type: "conjunction" }).format(items);
