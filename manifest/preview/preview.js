import init, { preview, use_language } from "../wstp.js";
import { language } from "../language.js";

// Players read URLs, and this worker answers them with files of the sandbox. It serves no other page.
const { serviceWorker } = navigator;
const serving = new Promise((resolve) => {
  if (serviceWorker.controller) resolve();
  serviceWorker.addEventListener("controllerchange", resolve, { once: true });
});
await serviceWorker.register("worker.js", { type: "module" });
const [words] = await Promise.all([language(), init({ module_or_path: "../wstp_bg.wasm" })]);
use_language(words);
await serving;
preview();
