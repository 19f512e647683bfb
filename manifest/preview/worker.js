import init, { handle_fetch } from "../wstp.js";

let ready;
const core = () =>
  (ready ??= init({ module_or_path: "../wstp_bg.wasm" }).catch((error) => {
    ready = undefined;
    throw error;
  }));

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (pathname.startsWith("/preview/stored/")) event.respondWith(core().then(() => handle_fetch(event.request)));
});
