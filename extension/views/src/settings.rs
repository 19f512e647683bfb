//! The user's settings.

use leptos::prelude::*;
use wstp_messages::{Command, Problem, Settings};
use wstp_ui::button::{Button, Weight};
use wstp_ui::dialog::Dialog;
use wstp_ui::field::{RateField, Stepper, Switch};
use wstp_ui::notice::{Banner, Tone};
use wstp_words::say;

use crate::catalogue::Catalogue;
use crate::store::Store;

/// The settings in a window over the page. A change takes effect at once.
#[component]
pub fn SettingsDialog(open: RwSignal<bool>, store: Store, catalogue: Catalogue) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    let change = move |change: &dyn Fn(&mut Settings)| {
        let mut settings = store.settings.get_untracked();
        change(&mut settings);
        catalogue.send(Command::Set { settings }, move |result| problem.set(result.err()));
    };
    let part = move |pick: fn(Settings) -> bool| Signal::derive(move || pick(store.settings.get()));
    let number = move |pick: fn(Settings) -> u8| Signal::derive(move || pick(store.settings.get()));
    view! {
        <Dialog open=open title=say!(settings)>
            {move || problem.get().map(|Problem { what, advice }| view! { <Banner tone=Tone::Bad what=what.say() advice=advice.say() /> })}
            <Stepper
                label=say!(transfers_at_once)
                value=number(|settings| settings.active_transfers)
                min=1
                max=4
                testid="set-transfers"
                on_change=move |value| change(&|settings| settings.active_transfers = value)
            />
            <Stepper
                label=say!(connections_per_transfer)
                value=number(|settings| settings.connections)
                min=0
                least=say!(auto)
                max=16
                testid="set-connections"
                on_change=move |value| change(&|settings| settings.connections = value)
            />
            <RateField
                label=say!(total_speed_limit)
                value=Signal::derive(move || store.settings.get().rate_limit)
                testid="set-rate"
                on_change=move |rate| change(&|settings| settings.rate_limit = rate)
            />
            <Switch
                label=say!(save_when_complete)
                on=part(|settings| settings.save_when_complete)
                testid="set-save"
                on_change=move |on| change(&|settings| settings.save_when_complete = on)
            />
            <Switch
                label=say!(delete_after_saving)
                on=part(|settings| settings.free_after_save)
                testid="set-free"
                on_change=move |on| change(&|settings| settings.free_after_save = on)
            />
            <div class="dialog-actions">
                <Button weight=Weight::Primary testid="settings-done" on_press=move || open.set(false)>{say!(done)}</Button>
            </div>
        </Dialog>
    }
}
