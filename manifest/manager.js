import init, { manager } from "./views.js";

await init();
manager();
