// Chrome wakes a service worker only for listeners registered while this script first runs. So they are here, and the
// rest is wasm.
import init, {
  handle_alarm, handle_click, handle_download, handle_erased, handle_message, handle_start, use_language,
} from "./wstp.js";
import { language } from "./language.js";

let ready;
const core = () =>
  (ready ??= Promise.all([language(), init({ module_or_path: "wstp_bg.wasm" })])
    .then(([words]) => use_language(words))
    .catch((error) => {
      ready = undefined;
      throw error;
    }));
const forward = (handle) => (...event) => void core().then(() => handle(...event));

globalThis.createOffscreen = () =>
  chrome.offscreen.createDocument({
    url: "offscreen.html",
    reasons: ["WORKERS", "BLOBS"],
    justification: "Runs the workers that fetch files and hands finished ones to the browser.",
  });

// Chrome drops the names that `download()` was given when another extension listens here. Our listener would do the
// same to others, so it exists only while our downloads need it. A listener that was left when this worker was ended
// would delay every download. So each start removes it.
const { onDeterminingFilename } = chrome.downloads;
const name = (item, suggest) => {
  const [, , path] = (item.byExtensionId === chrome.runtime.id && item.url.split("#")[1]?.split("/")) || [];
  if (path) suggest({ filename: decodeURIComponent(path), conflictAction: "uniquify" });
};
globalThis.nameDownloads = (on) => (on ? onDeterminingFilename.addListener(name) : onDeterminingFilename.removeListener(name));
nameDownloads(true);
nameDownloads(false);

chrome.runtime.onMessage.addListener((message, sender, respond) => {
  core()
    .then(() => handle_message(message, sender))
    .then((answer) => respond({ ok: answer ?? null }), (error) => respond({ error: String(error) }));
  return true;
});
// The document resumes the unfinished transfers. They resume sooner when it does not wait until wasm is here.
const start = () => {
  const creating = createOffscreen();
  creating.catch(() => {});
  forward(handle_start)(creating);
};
chrome.runtime.onStartup.addListener(start);
chrome.runtime.onInstalled.addListener(start);
// An address behind the keyword of the address bar, and a link from the menu of a page, open in the extension's page.
const open = (address) => void chrome.tabs.create({ url: `manager.html#open=${encodeURIComponent(address)}` });
chrome.runtime.onInstalled.addListener(async () =>
  chrome.contextMenus.create({ id: "open", title: (await language()).word("open_with"), contexts: ["link"] }),
);
// From the next event on, this script speaks the language that the user chose now.
chrome.storage.onChanged.addListener(async (changed) => {
  if (!changed.language) return;
  ready = undefined;
  await chrome.contextMenus.update("open", { title: (await language()).word("open_with") });
});
chrome.contextMenus.onClicked.addListener(({ linkUrl }) => open(linkUrl));
chrome.omnibox.onInputEntered.addListener(open);
chrome.alarms.onAlarm.addListener(forward(() => handle_alarm()));
chrome.downloads.onChanged.addListener(forward((change) => handle_download(change)));
chrome.downloads.onErased.addListener(forward((id) => handle_erased(id)));
chrome.notifications.onClicked.addListener(forward((id) => handle_click(id)));
