import init, { popup, use_language } from "./wstp.js";
import { language } from "./language.js";

const [words] = await Promise.all([language(), init({ module_or_path: "wstp_bg.wasm" })]);
use_language(words);
popup();
