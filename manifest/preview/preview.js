import init, { preview } from "../wstp.js";

// Players read URLs, and this worker answers them with files of the sandbox. It serves no other page.
const { serviceWorker } = navigator;
const serving = new Promise((resolve) => {
  if (serviceWorker.controller) resolve();
  serviceWorker.addEventListener("controllerchange", resolve, { once: true });
});
await serviceWorker.register("worker.js", { type: "module" });
await init({ module_or_path: "../wstp_bg.wasm" });
await serving;
preview();
