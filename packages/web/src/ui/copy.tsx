// A button that copies what is long and has to be exact.
import { useSignal } from "@preact/signals";

/** How long the button says that it has copied. */
const SAID_MS = 1500;

/** Copies a text. Browsers allow that over HTTPS and on this machine; elsewhere there is no button. */
export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const said = useSignal("");
  if (typeof navigator.clipboard?.writeText !== "function") return null;
  const say = (words: string): void => {
    said.value = words;
    setTimeout(() => {
      said.value = "";
    }, SAID_MS);
  };
  return (
    <button
      type="button"
      class="copy"
      aria-label={`Copy ${what}`}
      onClick={() =>
        navigator.clipboard.writeText(text).then(
          () => say("Copied"),
          () => say("Not allowed"),
        )
      }
    >
      <span role="status">{said.value || "Copy"}</span>
    </button>
  );
}
