// How a subscription is, in a word.
import { visible } from "../text.ts";
import { HEALTH } from "../words.ts";

/** A subscription's health; what it means when pointed at. */
export function Health({ health }: { readonly health: string }) {
  const known = Object.hasOwn(HEALTH, health) ? HEALTH[health] : undefined;
  return (
    <span class={`health ${known?.tone ?? "fair"}`} title={known?.meaning}>
      <span class="dot" />
      {known?.label ?? visible(health, 20)}
    </span>
  );
}
