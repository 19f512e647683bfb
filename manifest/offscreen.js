// Nothing watches the supervisor, so it starts over by itself when it breaks. Its workers end with it and resume from
// their journals.
const again = () => setTimeout(() => location.reload(), 1000);
addEventListener("error", again, { once: true });
addEventListener("unhandledrejection", again, { once: true });

const { default: init, offscreen } = await import("./wstp.js");
await init({ module_or_path: "wstp_bg.wasm" });
offscreen();
