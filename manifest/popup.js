import init, { popup } from "./views.js";

await init();
popup();
