import init, { popup } from "./views.js";

await init({ module_or_path: "views_bg.wasm" });
popup();
