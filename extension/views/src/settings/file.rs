//! The settings as a JSON file: written for the user to keep, and read back.
//!
//! A file changes nothing unless all of it is understood. Fields that it lacks stay as they are; fields of a later
//! version are ignored.

use js_sys::{Array, JSON, Object, Reflect, encode_uri_component};
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, HtmlInputElement};
use wstp_messages::{Notify, Problem, Settings};
use wstp_ui::button::Button;
use wstp_ui::toast::{Toasts, act};
use wstp_words::{language, phrase, say};

use super::Desk;

/// The field that tells that a file is one of these, with its version.
const MARK: &str = "wstp_settings";
const VERSION: f64 = 1.0;
/// The longest file that is read, in bytes.
const LONGEST: f64 = 65_536.0;
/// The names of [`Notify`], in its order.
pub const NOTIFY: [&str; 3] = ["all", "problems", "never"];
const THEMES: [&str; 3] = ["", "light", "dark"];

/// The name of a choice.
pub const fn notify_name(notify: Notify) -> &'static str {
    match notify {
        Notify::All => NOTIFY[0],
        Notify::Problems => NOTIFY[1],
        Notify::Never => NOTIFY[2],
    }
}

/// The choice with a name.
pub fn notify(name: &str) -> Option<Notify> {
    [Notify::All, Notify::Problems, Notify::Never].into_iter().find(|notify| notify_name(*notify) == name)
}

/// Everything in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    settings: Settings,
    language: String,
    theme: String,
}

impl Content {
    /// The page's present content. Tracks all of it.
    fn of(desk: Desk) -> Self {
        Self { settings: desk.store.settings.get(), language: desk.language.get(), theme: desk.theme.get() }
    }

    fn apply(self, desk: Desk) {
        desk.set(self.settings);
        desk.set_theme(self.theme);
        desk.set_language(self.language);
    }

    fn write(&self) -> String {
        let Settings { active_transfers, connections, rate_limit, save_when_complete, free_after_save, .. } =
            self.settings;
        let Settings { notify, without_history, .. } = self.settings;
        let fields: [(&str, JsValue); 10] = [
            (MARK, VERSION.into()),
            ("language", self.language.as_str().into()),
            ("theme", self.theme.as_str().into()),
            ("transfers_at_once", active_transfers.into()),
            ("connections", connections.into()),
            ("bytes_per_second", rate_limit.map_or(JsValue::NULL, |rate| (rate as f64).into())),
            ("save_when_complete", save_when_complete.into()),
            ("delete_after_saving", free_after_save.into()),
            ("notifications", notify_name(notify).into()),
            ("keep_history", (!without_history).into()),
        ];
        let object = Object::new();
        for (name, value) in fields {
            // Setting a property of a new plain object can't fail.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        let text = JSON::stringify_with_replacer_and_space(&object, &JsValue::NULL, &2.into());
        text.map(String::from).unwrap_or_default()
    }

    /// Takes over the fields of a file.
    fn read(mut self, text: &str) -> Result<Self, Problem> {
        let file = JSON::parse(text).map_err(|_| no_settings())?;
        let field = |name: &'static str| Field { name, value: Reflect::get(&file, &name.into()).unwrap_or_default() };
        match field(MARK).value.as_f64() {
            Some(version) if version > VERSION => {
                return Err(Problem { what: phrase!(settings_file_newer), advice: phrase!(nothing_changed) });
            }
            Some(_) => {}
            None => return Err(no_settings()),
        }
        let is_language = |name: &str| name.is_empty() || language::LANGUAGES.iter().any(|(known, _)| *known == name);
        field("language").take(&mut self.language, |value| value.as_string().filter(|name| is_language(name)))?;
        field("theme")
            .take(&mut self.theme, |value| value.as_string().filter(|name| THEMES.contains(&name.as_str())))?;
        let settings = &mut self.settings;
        field("transfers_at_once")
            .take(&mut settings.active_transfers, |value| whole(value, 1.0, 4.0).map(|n| n as u8))?;
        field("connections").take(&mut settings.connections, |value| whole(value, 0.0, 16.0).map(|n| n as u8))?;
        field("bytes_per_second").take(&mut settings.rate_limit, |value| {
            if value.is_null() { Some(None) } else { whole(value, 1.0, 1e15).map(|rate| Some(rate as u64)) }
        })?;
        field("save_when_complete").take(&mut settings.save_when_complete, JsValue::as_bool)?;
        field("delete_after_saving").take(&mut settings.free_after_save, JsValue::as_bool)?;
        field("notifications").take(&mut settings.notify, |value| notify(&value.as_string()?))?;
        field("keep_history").take(&mut settings.without_history, |value| value.as_bool().map(|keeps| !keeps))?;
        Ok(self)
    }
}

/// A field of a file.
struct Field {
    name: &'static str,
    value: JsValue,
}

impl Field {
    /// Puts its value into `place`, if the file has it.
    fn take<T>(self, place: &mut T, read: impl FnOnce(&JsValue) -> Option<T>) -> Result<(), Problem> {
        if self.value.is_undefined() {
            return Ok(());
        }
        let wrong = || Problem { what: phrase!(settings_field_wrong, self.name), advice: phrase!(nothing_changed) };
        *place = read(&self.value).ok_or_else(wrong)?;
        Ok(())
    }
}

/// A whole number within bounds.
fn whole(value: &JsValue, least: f64, most: f64) -> Option<f64> {
    value.as_f64().filter(|number| number.fract() == 0.0 && (least..=most).contains(number))
}

fn no_settings() -> Problem {
    Problem { what: phrase!(no_settings_file), advice: phrase!(nothing_changed) }
}

async fn text(file: &File) -> Result<String, Problem> {
    if file.size() > LONGEST {
        return Err(no_settings());
    }
    let text = JsFuture::from(file.text()).await.map_err(|_| no_settings())?;
    text.as_string().ok_or_else(no_settings)
}

/// The ways to write and to read the file.
#[component]
pub fn SettingsFile(desk: Desk, toasts: Toasts) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let href = move || {
        let text = String::from(encode_uri_component(&Content::of(desk).write()));
        format!("data:application/json,{text}")
    };
    let choose = move || {
        if let Some(field) = field.get_untracked() {
            field.click();
        }
    };
    let import = move |field: HtmlInputElement| {
        let files = Reflect::get(&field, &"files".into()).unwrap_or_default();
        let file = Array::from(&files).get(0).dyn_into::<File>().ok();
        // The same file may be chosen again.
        field.set_value("");
        let Some(file) = file else { return };
        spawn_local(async move {
            let before = untrack(|| Content::of(desk));
            match text(&file).await.and_then(|text| before.clone().read(&text)) {
                Ok(content) => {
                    desk.problem.set(None);
                    content.apply(desk);
                    let undo = act(move || before.clone().apply(desk));
                    toasts.show(say!(settings_imported), Some((say!(undo), undo)));
                }
                Err(problem) => desk.problem.set(Some(problem)),
            }
        });
    };
    view! {
        <p class="note">{say!(settings_file_hint)}</p>
        <div class="part-actions">
            <a class="button" href=href download="wstp-settings.json" data-testid="export-settings">{say!(export)}</a>
            <Button testid="import-settings" on_press=choose>{say!(import)}</Button>
            <input
                type="file"
                accept=".json"
                hidden
                node_ref=field
                data-testid="settings-file"
                on:change=move |event| import(event_target(&event))
            />
        </div>
    }
}
