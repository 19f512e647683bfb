// One dedicated worker: its first message says what it is to be and brings the compiled wasm.
import init, { worker } from "./wstp.js";

onmessage = async ({ data: { module, kind, task } }) => {
  onmessage = null;
  try {
    await init({ module_or_path: module });
    worker(kind, task);
  } catch (error) {
    reportError(error);
  }
};
