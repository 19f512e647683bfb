// One dedicated worker. Its first message says its role and brings the compiled wasm.
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
