// The user's language: Chrome chooses its words from `_locales`, unless the user chose another language.
const places = Array.from({ length: 9 }, (_, index) => `$${index + 1}`);

// The words of a language that Chrome does not show itself in.
const table = async (name) => {
  const messages = await (await fetch(chrome.runtime.getURL(`_locales/${name}/messages.json`))).json();
  const sentence = ({ message, placeholders }) =>
    message.replace(/\$(\w+)\$/g, (_, name) => placeholders[name.toLowerCase()].content);
  return (key) => messages[key] && sentence(messages[key]);
};

export const language = async () => {
  const { language } = await chrome.storage.local.get("language");
  const word = language ? await table(language) : (key) => chrome.i18n.getMessage(key, places);
  const shown = chrome.i18n.getUILanguage();
  // Chrome has English words where it has none of its own language, and a region only for its own language.
  const locale = shown.split("-")[0] === word("language") ? shown : word("language");
  // A service worker has no document.
  const root = globalThis.document?.documentElement;
  if (root) Object.assign(root, { lang: locale, dir: word("direction") });
  const plurals = new Intl.PluralRules(locale);
  const numbers = [0, 1, 2].map(
    (digits) => new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  return {
    word,
    locale,
    direction: word("direction"),
    category: (count) => plurals.select(count),
    number: (value, decimals) => numbers[decimals].format(value),
  };
};
