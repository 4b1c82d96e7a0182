// Starts the dashboard.
import { render } from "preact";
import { startLive } from "./api/live.ts";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { applyTheme } from "./theme.ts";

applyTheme();
startRouter();
startLive();
render(<App />, document.body);
