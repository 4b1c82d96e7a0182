// Light or dark: as the system has it, or as the reader chose here.
import { effect, signal } from "@preact/signals";
import { keep, recall } from "./storage.ts";

/** What the reader chose. */
export type Theme = "system" | "light" | "dark";

const KEY = "trustix.theme";
const isTheme = (value: unknown): value is Theme =>
  value === "system" || value === "light" || value === "dark";

/** The choice. */
export const theme = signal<Theme>("system");

/** Grows whenever colours change, for what is drawn on a canvas. */
export const colours = signal(0);

/** Applies the kept choice, and every later one. */
export function applyTheme(): void {
  const kept = recall(KEY);
  if (isTheme(kept)) theme.value = kept;
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    keep(KEY, theme.value);
    colours.value = colours.peek() + 1;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.value += 1;
  });
}
