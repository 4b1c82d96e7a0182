// What tests use of `node:fs` when they run in a browser: reading a vector file, served by the test server.

/** Reads a file of this repository, named relative to a module's `import.meta.url`. */
export function readFileSync(url: URL, encoding?: "utf8"): string | Uint8Array {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  if (request.status !== 200) throw new Error(`${url}: HTTP status ${request.status}`);
  // In x-user-defined each character's low byte is a byte of the file.
  const bytes = Uint8Array.from(request.responseText, (character) => character.charCodeAt(0) & 0xff);
  return encoding === undefined ? bytes : new TextDecoder().decode(bytes);
}
