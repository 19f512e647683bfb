//! The user's settings, on a sheet of the manager page. A change takes effect at once, in every page.

mod file;
mod stored;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Command, Notify, Problem, Settings};
use wstp_ui::field::{RateField, Select, Stepper, Switch};
use wstp_ui::notice::{Banner, Tone};
use wstp_ui::toast::Toasts;
use wstp_words::{language, say};

use self::file::SettingsFile;
use self::stored::StoredData;
use crate::catalogue::Catalogue;
use crate::store::Store;
use crate::{chrome, memory};

/// Everything that the user can set; cheap to copy.
#[derive(Clone, Copy)]
struct Desk {
    store: Store,
    catalogue: Catalogue,
    /// The chosen language; empty for the browser's.
    language: RwSignal<String>,
    /// The chosen theme; empty for the system's.
    theme: RwSignal<String>,
    problem: RwSignal<Option<Problem>>,
}

impl Desk {
    fn change(self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.store.settings.get_untracked();
        change(&mut settings);
        self.set(settings);
    }

    fn set(self, settings: Settings) {
        let problem = self.problem;
        self.catalogue.send(Command::Set { settings }, move |result| drop(problem.try_set(result.err())));
    }

    fn set_theme(self, theme: String) {
        memory::keep_theme(&theme);
        self.theme.set(theme);
    }

    /// The page begins anew in that language, if it is another one.
    fn set_language(self, language: String) {
        if self.language.with_untracked(|now| *now != language) {
            chrome::keep_language(language.clone());
            self.language.set(language);
        }
    }

    fn of<T: Send + Sync + 'static>(self, pick: fn(Settings) -> T) -> Signal<T> {
        Signal::derive(move || pick(self.store.settings.get()))
    }
}

/// All settings.
#[component]
pub fn SettingsSheet(store: Store, catalogue: Catalogue, toasts: Toasts) -> impl IntoView {
    let language = RwSignal::new(String::new());
    spawn_local(async move { drop(language.try_set(chrome::language().await)) });
    let theme = RwSignal::new(memory::theme());
    let desk = Desk { store, catalogue, language, theme, problem: RwSignal::new(None) };
    view! {
        {move || {
            desk.problem
                .get()
                .map(|Problem { what, advice }| view! { <Banner tone=Tone::Bad what=what.say() advice=advice.say() /> })
        }}
        {part(say!(general), general(desk))}
        {part(say!(transfers), transfers(desk))}
        {part(say!(saving_title), saving(desk))}
        {part(say!(stored_data), view! { <StoredData store=store catalogue=catalogue /> }.into_any())}
        {part(say!(settings_file), view! { <SettingsFile desk=desk toasts=toasts /> }.into_any())}
    }
}

/// Settings that belong together, under their title.
fn part(title: String, settings: AnyView) -> impl IntoView {
    view! {
        <fieldset class="part">
            <legend>{title}</legend>
            {settings}
        </fieldset>
    }
}

fn general(desk: Desk) -> AnyView {
    let own = language::LANGUAGES.map(|(name, own)| (name, own.to_owned()));
    let languages = [("", say!(browser_language))].into_iter().chain(own).collect();
    let themes = vec![("", say!(theme_system)), ("light", say!(theme_light)), ("dark", say!(theme_dark))];
    view! {
        <Select
            label=say!(page_language)
            choices=languages
            value=desk.language
            testid="set-language"
            on_change=move |language| desk.set_language(language)
        />
        <Select
            label=say!(theme)
            choices=themes
            value=desk.theme
            testid="set-theme"
            on_change=move |theme| desk.set_theme(theme)
        />
        <Select
            label=say!(notifications)
            choices=vec![
                (file::NOTIFY[0], say!(notify_all)),
                (file::NOTIFY[1], say!(notify_problems)),
                (file::NOTIFY[2], say!(notify_never)),
            ]
            value=Signal::derive(move || file::notify_name(desk.store.settings.get().notify).to_owned())
            testid="set-notify"
            on_change=move |name: String| {
                desk.change(|settings| settings.notify = file::notify(&name).unwrap_or(Notify::All));
            }
        />
    }
    .into_any()
}

fn transfers(desk: Desk) -> AnyView {
    view! {
        <Stepper
            label=say!(transfers_at_once)
            value=desk.of(|settings| settings.active_transfers)
            min=1
            max=4
            testid="set-transfers"
            on_change=move |value| desk.change(|settings| settings.active_transfers = value)
        />
        <Stepper
            label=say!(connections_per_transfer)
            value=desk.of(|settings| settings.connections)
            min=0
            least=say!(auto)
            max=16
            testid="set-connections"
            on_change=move |value| desk.change(|settings| settings.connections = value)
        />
        <RateField
            label=say!(total_speed_limit)
            value=desk.of(|settings| settings.rate_limit)
            testid="set-rate"
            on_change=move |rate| desk.change(|settings| settings.rate_limit = rate)
        />
    }
    .into_any()
}

fn saving(desk: Desk) -> AnyView {
    view! {
        <Switch
            label=say!(save_when_complete)
            on=desk.of(|settings| settings.save_when_complete)
            testid="set-save"
            on_change=move |on| desk.change(|settings| settings.save_when_complete = on)
        />
        <Switch
            label=say!(delete_after_saving)
            on=desk.of(|settings| settings.free_after_save)
            testid="set-free"
            on_change=move |on| desk.change(|settings| settings.free_after_save = on)
        />
        <Switch
            label=say!(keep_history)
            on=desk.of(|settings| !settings.without_history)
            testid="set-history"
            on_change=move |on: bool| desk.change(|settings| settings.without_history = !on)
        />
    }
    .into_any()
}
