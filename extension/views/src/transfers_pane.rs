//! The transfers, newest first, and what the user does with them.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{BlockOrder, Command, Problem, ServerView, Step, Sweep, TransferId, TransferState, TransferView};
use wstp_ui::button::{Button, IconButton, ToolButton, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::dialog::Confirm;
use wstp_ui::field::{RateField, Switch};
use wstp_ui::icon::Icon;
use wstp_ui::menu::{Menu, MenuItem};
use wstp_ui::notice::{Banner, EmptyState, Tone};
use wstp_ui::source_list::SourceList;
use wstp_ui::toast::{Toasts, act};
use wstp_ui::transfer_row::{Action, TransferRow};
use wstp_words::{Arg, phrase, say};

use crate::catalogue::Catalogue;
use crate::chrome;
use crate::folder_files::FolderFiles;
use crate::login::LoginDialog;
use crate::picked::{Picked, Progress};
use crate::preview;
use crate::store::{Kept, Store, Tally};
use crate::words::{all_actions, info, is_complete, kept_bytes, source};

/// Prefix of the URL fragment that opens a page to save a transfer into a folder; the transfer's id follows.
const SAVE: &str = "save=";
/// Bytes of an incomplete transfer that are not thrown away without a question.
const WORTH_ASKING: u64 = 100_000_000;

/// The means of a row to act; cheap to copy.
#[derive(Clone, Copy)]
struct Desk {
    store: Store,
    catalogue: Catalogue,
    toasts: Toasts,
    menu: Menu,
    notice: RwSignal<Option<Problem>>,
    /// Saves into folders that the user picks, where this page can.
    picked: Option<Picked>,
    /// The transfer that is to be removed if the user is sure.
    asked: RwSignal<Option<TransferView>>,
    /// The server to log in to.
    login: RwSignal<Option<ServerView>>,
}

impl Desk {
    fn act(self, view: &TransferView, action: Action) {
        let transfer = view.id.clone();
        match action {
            Action::Pause => self.send(Command::Pause { transfer }),
            Action::Resume | Action::Retry | Action::Update => self.send(Command::Resume { transfer }),
            Action::LogIn => self.login.set(Some(ServerView {
                address: view.server.clone(),
                label: view.server_label.clone(),
                agent: String::new(),
            })),
            Action::Begin => self.send(Command::Insist { transfer }),
            Action::First => self.send(Command::Move { transfer, step: Step::First }),
            Action::Earlier => self.send(Command::Move { transfer, step: Step::Earlier }),
            Action::Later => self.send(Command::Move { transfer, step: Step::Later }),
            Action::Save | Action::SaveAgain => self.send(Command::Save { transfer }),
            Action::SaveInto => match self.picked {
                Some(picked) => picked.save(view),
                // The popup closes when Chrome asks for a folder.
                None => self.open(format!("manager.html#{SAVE}{}", transfer.0)),
            },
            Action::Preview => self.open(preview::page(&transfer)),
            Action::Answer => self.open("chrome://downloads".to_owned()),
            // The file is still here: saving it again is how that is undone.
            Action::Cancel if view.state == TransferState::Saving => self.send(Command::Cancel { transfer }),
            Action::Cancel => {
                self.send(Command::Cancel { transfer: transfer.clone() });
                let undo = act(move || self.send(Command::Resume { transfer: transfer.clone() }));
                self.toasts.show(say!(cancelled_named, &view.name), Some((say!(undo), undo)));
            }
            Action::Remove if is_worth_asking(view) => self.asked.set(Some(view.clone())),
            Action::Remove => self.remove(view),
            Action::Again => self.fetch_again(view),
            Action::Show => self.show(view.saved_as.clone().unwrap_or_default()),
        }
    }

    /// Opens the menu of a transfer: all its actions, wherever its row has them.
    fn open_menu(self, id: TransferId, at: (f64, f64)) {
        let Some(kept) = self.store.transfer(&id) else { return };
        let actions = kept.view.with_untracked(all_actions);
        let item = |action: Action| {
            let view = kept.view.clone();
            MenuItem::new(action.words(), action.menu_name(), move || self.act(&view.get_untracked(), action))
        };
        self.menu.open(at, actions.into_iter().map(item).collect());
    }

    fn open(self, page: String) {
        spawn_local(async move {
            if let Err(reason) = chrome::open_tab(&page).await {
                self.notice.set(Some(Problem {
                    what: phrase!(tab_not_opened, &reason),
                    advice: phrase!(tab_not_opened_advice),
                }));
            }
        });
    }

    fn send(self, command: Command) {
        self.notice.set(None);
        self.catalogue.send(command, move |result| {
            if let Err(problem) = result {
                self.notice.set(Some(problem));
            }
        });
    }

    fn remove(self, view: &TransferView) {
        self.send(Command::Remove { transfer: view.id.clone() });
        let again = again(view);
        let again = act(move || self.send(again.clone()));
        let again = (!view.server.is_empty()).then(|| (say!(download_again), again));
        self.toasts.show(say!(removed_named, &view.name), again);
    }

    /// Fetches once more what is no longer anywhere; the new row takes the place of this one.
    fn fetch_again(self, view: &TransferView) {
        self.notice.set(None);
        let transfer = view.id.clone();
        self.catalogue.send(again(view), move |result| match result {
            Ok(_) => self.send(Command::Remove { transfer }),
            Err(problem) => self.notice.set(Some(problem)),
        });
    }

    fn show(self, path: String) {
        spawn_local(async move {
            if let Err(reason) = chrome::show_saved(&path).await {
                // The row may say what became of it.
                chrome::look();
                self.notice.set(Some(Problem {
                    what: phrase!(folder_not_shown, &reason),
                    advice: phrase!(file_saved_as, &path),
                }));
            }
        });
    }
}

/// Fetches a transfer anew.
fn again(view: &TransferView) -> Command {
    let (address, path) = (view.server.clone(), view.path.clone());
    match view.folder {
        Some(_) => Command::DownloadFolder { address, path },
        None => Command::Download { address, path, size: view.size, modified_ms: None },
    }
}

/// Whether removing it throws away what would take long to fetch again.
fn is_worth_asking(view: &TransferView) -> bool {
    view.state == TransferState::Complete || (view.state != TransferState::Saved && kept_bytes(view) >= WORTH_ASKING)
}

/// All transfers. A page that may ask the user for a folder brings `picked`.
#[component]
pub fn TransfersPane(
    store: Store,
    catalogue: Catalogue,
    toasts: Toasts,
    menu: Menu,
    #[prop(optional)] picked: Option<Picked>,
) -> impl IntoView {
    let (notice, asked, login) = (RwSignal::new(None), RwSignal::new(None), RwSignal::new(None));
    let desk = Desk { store, catalogue, toasts, menu, notice, picked, asked, login };
    let dates = StoredValue::new_local(DateWriter::new());
    let is_empty = Memo::new(move |_| store.order.with(Vec::is_empty));
    view! {
        <section class="pane" aria-label=say!(transfers)>
            {move || {
                desk.notice
                    .get()
                    .map(|Problem { what, advice }| {
                        view! {
                            <Banner tone=Tone::Warn what=what.say() advice=advice.say()>
                                <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || desk.notice.set(None) />
                            </Banner>
                        }
                    })
            }}
            {picked.map(|picked| view! { <IntoFolder store=store picked=picked /> })}
            <Show
                when=move || !is_empty.get()
                fallback=move || view! { <NothingYet store=store catalogue=catalogue /> }
            >
                <ul class="transfers">
                    <For each=move || store.order.get() key=Clone::clone let(id)>
                        {store.transfer(&id).map(|kept| view! { <Row kept=kept desk=desk dates=dates /> })}
                    </For>
                </ul>
            </Show>
            <Footer store=store desk=desk />
            <Sure desk=desk />
            <LoginDialog server=login catalogue=catalogue on_done=|()| {} />
        </section>
    }
}

/// Shows the save into a folder that the user picked, and the save that another page asked for.
#[component]
fn IntoFolder(store: Store, picked: Picked) -> impl IntoView {
    let wanted =
        location().hash().ok().and_then(|hash| Some(TransferId(hash.strip_prefix(&format!("#{SAVE}"))?.to_owned())));
    let wanted = RwSignal::new(wanted);
    let asked = move || {
        let (true, Some(id)) = (store.is_ready.get(), wanted.get()) else { return None };
        let view = store.transfer(&id)?.view;
        let what = view.with_untracked(|view| say!(where_to_save, &view.name));
        let choose = move || {
            wanted.set(None);
            view.with_untracked(|view| picked.save(view));
        };
        Some(view! {
            <Banner calm=true tone=Tone::Active what=what advice=say!(choose_once)>
                <Button weight=Weight::Primary testid="choose-folder" on_press=choose>{say!(choose_folder)}</Button>
                <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || wanted.set(None) />
            </Banner>
        })
    };
    let is_going = Memo::new(move |_| picked.going.with(Option::is_some));
    let words = Signal::derive(move || {
        let Some(Progress { transfer, name, folder, bytes: done, is_checking }) = picked.going.get() else {
            return String::new();
        };
        if is_checking {
            let state = store.transfer(&transfer).map(|kept| kept.view.with(|view| view.state));
            let percent = if let Some(TransferState::Checking { percent }) = state { percent } else { 0 };
            return say!(checking_first, &name, percent, &folder);
        }
        let size = store.transfer(&transfer).map_or(done, |kept| kept.view.with_untracked(|view| view.size));
        say!(saving_into, &name, &folder, Arg::Bytes(done), Arg::Bytes(size))
    });
    let failed = move || {
        let Problem { what, advice } = picked.problem.get()?;
        Some(view! {
            <Banner tone=Tone::Warn what=what.say() advice=advice.say()>
                <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || picked.problem.set(None) />
            </Banner>
        })
    };
    view! {
        {asked}
        <Show when=move || is_going.get()>
            <Banner calm=true tone=Tone::Active what=words advice=say!(keep_page_open)>
                <IconButton icon=Icon::Close label=say!(stop_saving) testid="stop-saving" on_press=move || picked.stop() />
            </Banner>
        </Show>
        {failed}
    }
}

/// Why the list is empty; as long as it is not known, nothing is claimed of it.
#[component]
fn NothingYet(store: Store, catalogue: Catalogue) -> impl IntoView {
    let trouble = catalogue.trouble();
    move || match (store.is_ready.get(), trouble.with(Option::is_some)) {
        (true, _) => view! { <EmptyState icon=Icon::Download title=say!(no_downloads) hint=say!(no_downloads_hint) /> }
            .into_any(),
        (false, true) => view! { <div class="fill"></div> }.into_any(),
        (false, false) => view! { <p class="waiting">{say!(loading)}</p> }.into_any(),
    }
}

#[component]
fn Row(kept: Kept, desk: Desk, dates: StoredValue<DateWriter, LocalStorage>) -> impl IntoView {
    let view = RwSignal::from(kept.view);
    let speeds = RwSignal::from(kept.speeds);
    let added = Memo::new(move |_| view.with(|view| dates.with_value(|dates| dates.minute(view.added_ms))));
    let shown = Memo::new(move |_| view.with(|view| info(view, added.get())));
    let id = view.with_untracked(|view| view.id.clone());
    let is_folder = view.with_untracked(|view| view.folder.is_some());
    let more = move || {
        let files = is_folder.then(|| view! { <FolderFiles id=id.clone() view=view catalogue=desk.catalogue /> });
        view! {
            {files}
            <OwnSettings id=id.clone() view=view desk=desk />
        }
    };
    view! {
        <TransferRow
            info=shown
            speeds=speeds
            settings=more
            on_action=move |action| view.with_untracked(|view| desk.act(view, action))
            on_menu=move |at| view.with_untracked(|view| desk.open_menu(view.id.clone(), at))
        />
    }
}

/// The settings of one transfer and its sources, as long as it is not complete.
#[component]
fn OwnSettings(id: TransferId, view: RwSignal<TransferView>, desk: Desk) -> impl IntoView {
    let limit = Memo::new(move |_| view.with(|view| view.rate_limit));
    let in_order = Memo::new(move |_| view.with(|view| view.order == BlockOrder::InOrder));
    let order = |on| if on { BlockOrder::InOrder } else { BlockOrder::Fastest };
    let sources = Memo::new(move |_| view.with(|view| view.sources.iter().map(source).collect::<Vec<_>>()));
    let picks = move || desk.store.servers.with(|servers| servers.iter().map(|server| server.label.clone()).collect());
    let path = StoredValue::new(view.with_untracked(|view| view.path.clone()));
    let id = StoredValue::new(id);
    let transfer = move || id.get_value();
    view! {
        <Show when=move || !view.with(is_complete)>
            <RateField
                label=say!(speed_limit)
                value=limit
                testid="limit"
                on_change=move |rate| desk.send(Command::Limit { transfer: transfer(), rate })
            />
            <Show when=move || view.with(|view| view.folder.is_none())>
                <Switch
                    label=say!(download_in_order)
                    on=in_order
                    testid="in-order"
                    on_change=move |on| desk.send(Command::Order { transfer: transfer(), order: order(on) })
                />
                <SourceList
                    sources=sources
                    picks_id=format!("picks-{}", transfer().0)
                    picks=Signal::derive(picks)
                    path=path.get_value()
                    on_add=move |(address, path)| desk.send(Command::AddSource { transfer: transfer(), address, path })
                    on_remove=move |source| desk.send(Command::RemoveSource { transfer: transfer(), source })
                />
            </Show>
        </Show>
    }
}

/// How much is under way, and what can be done with all of a kind.
#[component]
fn Footer(store: Store, desk: Desk) -> impl IntoView {
    let tally = Memo::new(move |_| store.tally());
    let words = move || {
        let (active, speed, kept) = tally.with(|tally| (tally.active, tally.rate, tally.kept));
        let transfers = phrase!(transfers_count, Arg::Count(active as u64));
        match active {
            0 if kept > 0 => say!(none_active_kept, Arg::Bytes(kept)),
            0 => say!(none_active),
            _ if speed == 0.0 => transfers.say(),
            _ => say!(listed, &transfers, Arg::Rate(speed)),
        }
    };
    let any = move |pick: fn(&Tally) -> usize| Memo::new(move |_| tally.with(pick) > 0);
    let (active, paused) = (any(|tally| tally.active), any(|tally| tally.paused));
    let (failed, saved) = (any(|tally| tally.failed), any(|tally| tally.saved.len()));
    let sweep = move |sweep| move || desk.send(Command::Sweep(sweep));
    let clear = move || {
        for transfer in tally.with_untracked(|tally| tally.saved.clone()) {
            desk.send(Command::Remove { transfer });
        }
    };
    view! {
        <footer class="status">
            <span class="status-words">{words}</span>
            <Show when=move || active.get()>
                <ToolButton icon=Icon::Pause label=say!(pause_all) testid="pause-all" on_press=sweep(Sweep::Pause) />
            </Show>
            <Show when=move || paused.get()>
                <ToolButton icon=Icon::Play label=say!(resume_all) testid="resume-all" on_press=sweep(Sweep::Resume) />
            </Show>
            <Show when=move || failed.get()>
                <ToolButton icon=Icon::Retry label=say!(retry_all) testid="retry-all" on_press=sweep(Sweep::Retry) />
            </Show>
            <Show when=move || saved.get()>
                <Button weight=Weight::Quiet testid="clear-saved" on_press=clear>{say!(clear_saved)}</Button>
            </Show>
        </footer>
    }
}

/// Asks before what was fetched and never saved is thrown away.
#[component]
fn Sure(desk: Desk) -> impl IntoView {
    let open = RwSignal::new(false);
    Effect::new(move |_| {
        if desk.asked.with(Option::is_some) {
            open.set(true);
        }
    });
    let text = move || {
        desk.asked.with(|asked| {
            asked.as_ref().map_or_else(String::new, |TransferView { name, state, .. }| match state {
                TransferState::Complete => say!(remove_unsaved, name),
                _ => {
                    let kept = asked.as_ref().map_or(0, kept_bytes);
                    say!(remove_partial, Arg::Bytes(kept), name)
                }
            })
        })
    };
    let confirm = move || {
        if let Some(view) = desk.asked.get_untracked() {
            desk.remove(&view);
        }
    };
    Effect::new(move |_| {
        if !open.get() {
            desk.asked.set(None);
        }
    });
    view! {
        <Confirm
            open=open
            title=say!(remove_question)
            text=Signal::derive(text)
            verb=say!(remove)
            on_confirm=confirm
        />
    }
}
