import init, { start } from "./wstp_admin.js";

await init({ module_or_path: "wstp_admin_bg.wasm" });
start();
