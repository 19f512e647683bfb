//! One transfer: its name, its progress, and the actions on it. It opens into its details.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html;
use leptos::prelude::*;
use web_sys::Element;
use wstp_text::strangers::marked;
use wstp_words::{say, shown};

use crate::block_map::{BlockMap, BlockStrip};
use crate::button::{Button, IconButton, Weight};
use crate::icon::{Glyph, Icon};
use crate::kind::file_icon;
use crate::menu::{asks_for_menu, beneath};
use crate::name::Name;
use crate::notice::Tone;
use crate::progress::{Progress, ProgressText};
use crate::ranges::BlockRanges;
use crate::speed_curve::{SpeedCurve, Speeds};

/// A change within this time after a press counts as its effect, in milliseconds.
const PRESS: f64 = 2000.0;

/// An action on a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Copy it to the user's disk.
    Save,
    /// Copy it there once more.
    SaveAgain,
    /// Copy it into a folder that the user picks.
    SaveInto,
    /// Fetch it once more.
    Again,
    /// Look into it, also while it comes.
    Preview,
    /// Show where it was saved.
    Show,
    /// Answer a question that is asked elsewhere.
    Answer,
    /// Take the file's current version on the server.
    Update,
    /// Log in to its server.
    LogIn,
    /// Retry.
    Retry,
    /// Resume.
    Resume,
    /// Begin despite a warning.
    Begin,
    /// Begin next.
    First,
    /// Begin one place earlier.
    Earlier,
    /// Begin one place later.
    Later,
    /// Stop for now.
    Pause,
    /// Stop for good.
    Cancel,
    /// Remove from the list.
    Remove,
}

impl Action {
    /// Its name for tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::SaveAgain => "save-again",
            Self::SaveInto => "save-into",
            Self::Again => "again",
            Self::Preview => "preview",
            Self::Show => "show",
            Self::Answer => "answer",
            Self::Update => "update",
            Self::LogIn => "log-in",
            Self::Retry => "retry",
            Self::Resume => "resume",
            Self::Begin => "begin",
            Self::First => "first",
            Self::Earlier => "earlier",
            Self::Later => "later",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
            Self::Remove => "remove",
        }
    }

    /// Its name for tests where it stands in a menu.
    pub const fn menu_name(self) -> &'static str {
        match self {
            Self::Save => "menu-save",
            Self::SaveAgain => "menu-save-again",
            Self::SaveInto => "menu-save-into",
            Self::Again => "menu-again",
            Self::Preview => "menu-preview",
            Self::Show => "menu-show",
            Self::Answer => "menu-answer",
            Self::Update => "menu-update",
            Self::LogIn => "menu-log-in",
            Self::Retry => "menu-retry",
            Self::Resume => "menu-resume",
            Self::Begin => "menu-begin",
            Self::First => "menu-first",
            Self::Earlier => "menu-earlier",
            Self::Later => "menu-later",
            Self::Pause => "menu-pause",
            Self::Cancel => "menu-cancel",
            Self::Remove => "menu-remove",
        }
    }

    /// Its words.
    pub fn words(self) -> String {
        match self {
            Self::Save => say!(save),
            Self::SaveAgain => say!(save_again),
            Self::SaveInto => say!(save_into),
            Self::Again => say!(download_again),
            Self::Preview => say!(preview),
            Self::Show => say!(show_in_folder),
            Self::Answer => say!(answer),
            Self::Update => say!(update),
            Self::LogIn => say!(log_in),
            Self::Retry => say!(try_again_now),
            Self::Resume => say!(resume),
            Self::Begin => say!(start_anyway),
            Self::First => say!(move_to_top),
            Self::Earlier => say!(move_up),
            Self::Later => say!(move_down),
            Self::Pause => say!(pause),
            Self::Cancel => say!(cancel),
            Self::Remove => say!(remove_from_list),
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::Save | Self::SaveAgain => Icon::Save,
            Self::Preview => Icon::Image,
            Self::Show | Self::SaveInto => Icon::FolderOpen,
            Self::Answer | Self::Again => Icon::Download,
            Self::Update | Self::Retry => Icon::Retry,
            Self::Resume | Self::Begin => Icon::Play,
            Self::First | Self::Earlier | Self::Later => Icon::Top,
            Self::LogIn => Icon::Lock,
            Self::Pause => Icon::Pause,
            Self::Cancel => Icon::Close,
            Self::Remove => Icon::Trash,
        }
    }
}

/// A problem, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The problem: a sentence.
    pub what: String,
    /// The remedy: a sentence, or empty.
    pub advice: String,
}

/// A transfer as its row shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferInfo {
    /// Identifies it.
    pub id: String,
    /// The name of the file or folder.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its origin, in few words.
    pub origin: String,
    /// The name of its state, for tests.
    pub state: &'static str,
    /// Its state in words.
    pub words: String,
    /// The tone of its state.
    pub tone: Tone,
    /// Its figures.
    pub progress: Progress,
    /// The data of its block map.
    pub map: BlockRanges,
    /// Its problem.
    pub trouble: Option<Trouble>,
    /// The actions that help with its problem.
    pub remedies: Vec<Action>,
    /// The actions on it, most likely first.
    pub actions: Vec<Action>,
    /// The rarer actions, offered in the details.
    pub more: Vec<Action>,
    /// More about it: label and value.
    pub facts: Vec<(String, String)>,
}

/// The row of a transfer.
#[component]
pub fn TransferRow(
    /// The transfer.
    #[prop(into)]
    info: Signal<TransferInfo>,
    /// Its last speeds.
    #[prop(into)]
    speeds: Signal<Speeds>,
    /// More content for its details.
    #[prop(optional, into)]
    settings: ViewFn,
    /// Whether the details are open at first.
    #[prop(optional)]
    expanded: bool,
    /// Called with the action that the user chose.
    #[prop(into)]
    on_action: Callback<Action>,
    /// Called with the place in the window, in pixels, where the menu of all actions is to open.
    #[prop(into)]
    on_menu: Callback<(f64, f64)>,
) -> impl IntoView {
    let open = RwSignal::new(expanded);
    let by_pointer = move |event: MouseEvent| {
        // Fields have the browser's own menu, for what is typed there.
        if event_target::<Element>(&event).tag_name() != "INPUT" {
            event.prevent_default();
            on_menu.run((f64::from(event.client_x()), f64::from(event.client_y())));
        }
    };
    let by_key = move |event: KeyboardEvent| {
        if asks_for_menu(&event) {
            event.prevent_default();
            on_menu.run(beneath(&event_target::<Element>(&event)));
        }
    };
    let title = NodeRef::<html::Button>::new();
    let on_action = keeping_focus(info, title, on_action);
    let part = move |pick: fn(&TransferInfo) -> String| Memo::new(move |_| info.with(pick));
    let id = part(|info| info.id.clone());
    let name = part(|info| info.name.clone());
    let words = part(|info| shown(&info.words));
    let origin = part(|info| marked(&info.origin).into_owned());
    let is_folder = Memo::new(move |_| info.with(|info| info.is_folder));
    let icon = move || if is_folder.get() { Icon::Folder } else { name.with(|name| file_icon(name)) };
    let state = Memo::new(move |_| info.with(|info| info.state));
    let tone = Memo::new(move |_| info.with(|info| info.tone));
    let map = Memo::new(move |_| info.with(|info| info.map.clone()));
    let progress = Memo::new(move |_| info.with(|info| info.progress));
    view! {
        <li
            class="transfer"
            data-testid="transfer"
            data-id=id
            data-name=name
            data-state=state
            data-tone=move || tone.get().name()
            on:contextmenu=by_pointer
            on:keydown=by_key
        >
            <div class="transfer-head">
                <button
                    class="transfer-title"
                    type="button"
                    node_ref=title
                    data-testid="expand"
                    title=move || if is_folder.get() { say!(files_and_details) } else { say!(details) }
                    aria-expanded=move || open.get().to_string()
                    on:click=move |_| open.update(|open| *open = !*open)
                >
                    <Glyph icon=Signal::derive(icon) />
                    <Name name=name />
                </button>
                <Actions info=info name=name on_action=on_action />
            </div>
            <BlockStrip map=map />
            <div class="transfer-line" class:of-folder=is_folder>
                <span class="transfer-state">
                    <span class="state-words">{words}</span>
                    <bdi class="transfer-origin">{origin}</bdi>
                </span>
                <ProgressText progress=progress />
            </div>
            <TroubleLine info=info name=name on_action=on_action />
            <Show when=move || open.get()>
                <Details info=info map=map speeds=speeds settings=settings.clone() on_action=on_action />
            </Show>
        </li>
    }
}

#[component]
fn Actions(info: Signal<TransferInfo>, name: Memo<String>, on_action: Callback<Action>) -> impl IntoView {
    let actions = Memo::new(move |_| info.with(|info| info.actions.clone()));
    view! {
        <div class="transfer-actions">
            <For each=move || actions.get() key=|action| *action let(action)>
                {if matches!(action, Action::Save | Action::Update | Action::Answer | Action::Begin) {
                    view! {
                        <Button
                            weight=Weight::Primary
                            testid=action.name()
                            spoken=spoken(action, name)
                            on_press=move || on_action.run(action)
                        >
                            {action.words()}
                        </Button>
                    }
                    .into_any()
                } else {
                    view! {
                        <IconButton
                            icon=action.icon()
                            label=action.words()
                            testid=action.name()
                            spoken=spoken(action, name)
                            on_press=move || on_action.run(action)
                        />
                    }
                    .into_any()
                }}
            </For>
        </div>
    }
}

/// The pressed button disappears once its action is done. The keyboard's focus stays in the row.
fn keeping_focus(
    info: Signal<TransferInfo>,
    title: NodeRef<html::Button>,
    on_action: Callback<Action>,
) -> Callback<Action> {
    let pressed = StoredValue::new(0.0);
    let offered =
        Memo::new(move |_| info.with(|info| (info.remedies.clone(), info.actions.clone(), info.more.clone())));
    Effect::new(move |_| {
        offered.track();
        let is_new = pressed.try_get_value().is_some_and(|at| js_sys::Date::now() - at < PRESS);
        if is_new {
            request_animation_frame(move || {
                if let Some(title) = title.try_get_untracked().flatten().filter(|_| is_focus_lost()) {
                    let _ = title.focus();
                }
            });
        }
    });
    Callback::new(move |action| {
        pressed.set_value(js_sys::Date::now());
        on_action.run(action);
    })
}

/// The spoken label: it names the row, because many rows have the same buttons.
fn spoken(action: Action, name: Memo<String>) -> Signal<String> {
    Signal::derive(move || name.with(|name| say!(action_named, &action.words(), name)))
}

/// Whether the focused element disappeared.
fn is_focus_lost() -> bool {
    document().active_element().is_none_or(|element| element.tag_name() == "BODY")
}

#[component]
fn TroubleLine(info: Signal<TransferInfo>, name: Memo<String>, on_action: Callback<Action>) -> impl IntoView {
    let trouble = Memo::new(move |_| info.with(|info| info.trouble.clone()));
    let remedies = Memo::new(move |_| info.with(|info| info.remedies.clone()));
    let told = move || {
        trouble.get().map(|Trouble { what, advice }| {
            view! {
                <p role="alert" data-testid="error">
                    <strong>{shown(&what)}</strong>
                    {(!advice.is_empty()).then(|| format!(" {}", shown(&advice)))}
                </p>
            }
        })
    };
    view! {
        <Show when=move || trouble.with(Option::is_some)>
            <div class="transfer-trouble">
                {told}
                <For each=move || remedies.get() key=|action| *action let(action)>
                    <Button testid=action.name() spoken=spoken(action, name) on_press=move || on_action.run(action)>
                        {action.words()}
                    </Button>
                </For>
            </div>
        </Show>
    }
}

#[component]
fn Details(
    info: Signal<TransferInfo>,
    map: Memo<BlockRanges>,
    speeds: Signal<Speeds>,
    settings: ViewFn,
    on_action: Callback<Action>,
) -> impl IntoView {
    let facts = Memo::new(move |_| info.with(|info| info.facts.clone()));
    let more = Memo::new(move |_| info.with(|info| info.more.clone()));
    let is_under_way = Memo::new(move |_| info.with(|info| info.progress.done < info.progress.total));
    view! {
        <div class="transfer-details" data-testid="details">
            <div class="transfer-more" class:none=move || more.with(Vec::is_empty)>
                <For each=move || more.get() key=|action| *action let(action)>
                    <Button testid=action.name() on_press=move || on_action.run(action)>{action.words()}</Button>
                </For>
            </div>
            <Show when=move || !info.with(|info| info.is_folder)>
                <BlockMap map=map />
            </Show>
            <Show when=move || is_under_way.get() && speeds.with(|speeds| speeds.peak() >= 1.0)>
                <SpeedCurve speeds=speeds />
            </Show>
            {settings.run()}
            <dl class="facts">
                <For each=move || facts.get() key=Clone::clone let((label, value))>
                    <dt>{label}</dt>
                    <dd><bdi>{shown(&value)}</bdi></dd>
                </For>
            </dl>
        </div>
    }
}
