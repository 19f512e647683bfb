//! The saves so far: name, server, size and time of each, newest first.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Command, PastSave, Problem, Reply};
use wstp_ui::button::{Button, IconButton};
use wstp_ui::dates::DateWriter;
use wstp_ui::field::TextField;
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::kind::file_icon;
use wstp_ui::name::Name;
use wstp_ui::notice::{Banner, EmptyState, Tone};
use wstp_ui::toast::{Toasts, act};
use wstp_words::{Arg, phrase, say, shown};

use crate::catalogue::Catalogue;
use crate::chrome;
use crate::store::Store;
use crate::words::is_whole;

/// The saves that the catalogue remembers at most, as the sheet says.
const MOST: u64 = 1000;

/// The history.
#[component]
pub fn HistorySheet(store: Store, catalogue: Catalogue, toasts: Toasts) -> impl IntoView {
    let saves = RwSignal::new(Vec::<PastSave>::new());
    let (search, problem) = (RwSignal::new(String::new()), RwSignal::new(None::<Problem>));
    let dates = StoredValue::new_local(DateWriter::new());
    Effect::new(move |_| {
        store.history.track();
        catalogue.send(Command::History, move |result| {
            if let Ok(Reply::History(mut found)) = result {
                found.reverse();
                // The sheet may be closed by now.
                let _ = saves.try_set(found);
            }
        });
    });
    let found = Memo::new(move |_| {
        let words = search.with(|search| search.trim().to_lowercase());
        saves.with(|saves| saves.iter().filter(|save| fits(save, &words)).cloned().collect::<Vec<_>>())
    });
    let is_empty = Memo::new(move |_| saves.with(Vec::is_empty));
    let total = move || {
        let (count, size) =
            found.with(|found| (found.len(), found.iter().fold(0, |sum: u64, save| sum.saturating_add(save.size))));
        say!(listed, &phrase!(past_saves, Arg::Count(count as u64)), Arg::Bytes(size))
    };
    let clear = move || {
        let mut before = saves.get_untracked();
        before.reverse();
        catalogue.send(Command::ForgetHistory, |_| {});
        let undo = act(move || catalogue.send(Command::RememberHistory { saves: before.clone() }, |_| {}));
        toasts.show(say!(history_cleared), Some((say!(undo), undo)));
    };
    let show = move |path: String| {
        spawn_local(async move {
            if let Err(reason) = chrome::show_saved(&path).await {
                let _ = problem.try_set(Some(Problem {
                    what: phrase!(folder_not_shown, &reason),
                    advice: phrase!(file_saved_as, &path),
                }));
            }
        });
    };
    let row = move |save: PastSave| past(save, dates, show);
    let hint = Signal::derive(move || {
        if store.settings.get().without_history { say!(history_off_hint) } else { say!(history_empty_hint) }
    });
    view! {
        {move || {
            problem
                .get()
                .map(|Problem { what, advice }| {
                    view! {
                        <Banner tone=Tone::Warn what=what.say() advice=advice.say()>
                            <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || problem.set(None) />
                        </Banner>
                    }
                })
        }}
        <Show
            when=move || !is_empty.get()
            fallback=move || view! { <EmptyState icon=Icon::History title=say!(history_empty) hint=hint /> }
        >
            <TextField label=say!(search_history) value=search testid="search-history" />
            <div class="past-total">
                <p role="status" data-testid="past-total">{total}</p>
                <Button testid="clear-history" on_press=clear>{say!(clear_history)}</Button>
            </div>
            <ul class="past">{move || found.get().into_iter().map(row).collect_view()}</ul>
            <p class="note">{say!(history_bound, MOST)}</p>
        </Show>
    }
}

/// Whether a save has these words, in lower case, in its name, its server or its path.
fn fits(save: &PastSave, words: &str) -> bool {
    [&save.name, &save.server, &save.path].into_iter().any(|text| text.to_lowercase().contains(words))
}

fn past(
    save: PastSave,
    dates: StoredValue<DateWriter, LocalStorage>,
    show: impl Fn(String) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let PastSave { name, server, path, size, is_folder, saved_ms } = save;
    let icon = if is_folder { Icon::Folder } else { file_icon(&name) };
    let size_and_time = phrase!(listed, Arg::Bytes(size), &dates.with_value(|dates| dates.minute(saved_ms)));
    let label = name.clone();
    let facts = if server.is_empty() { size_and_time } else { phrase!(listed, &server, &size_and_time) };
    let button = is_whole(&path).then(|| {
        let spoken = say!(show_in_folder_named, &name);
        let place = path.clone();
        view! { <IconButton icon=Icon::FolderOpen label=say!(show_in_folder) spoken=spoken on_press=move || show(place.clone()) /> }
    });
    view! {
        <li data-testid="past" data-name=label title=shown(&path)>
            <Glyph icon=icon />
            <div>
                <Name name=name />
                <p class="note">{facts.say()}</p>
            </div>
            {button}
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_found_by_name_server_and_path() {
        let save = PastSave {
            name: "Ärger.TXT".into(),
            server: "nas:3000".into(),
            path: "/home/me/Music/Ärger.TXT".into(),
            size: 1,
            is_folder: false,
            saved_ms: 0.0,
        };
        for words in ["", "ärger.txt", "nas", "music"] {
            assert!(fits(&save, words), "{words}");
        }
        assert!(!fits(&save, "film"));
    }
}
