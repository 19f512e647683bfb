import init, { manager } from "./wstp.js";

await init({ module_or_path: "wstp_bg.wasm" });
manager();
