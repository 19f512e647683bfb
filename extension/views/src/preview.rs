//! The preview page: shows one file, also while it comes.
//!
//! Players get the blocks that they need first: the page's service worker asks the transfer's worker for them. Pictures
//! and documents are shown once they are complete. Nothing in a file runs with the rights of this page. A picture runs
//! no script, Chrome's viewer of PDF files keeps to itself, and HTML is shown as text.

use std::time::Duration;

use js_sys::Uint8Array;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Event, HtmlMediaElement, RequestInit, Response};
use wstp_messages::{Command, Problem, TransferId, TransferState, TransferView};
use wstp_ui::button::Button;
use wstp_ui::icon::Icon;
use wstp_ui::kind::media_type;
use wstp_ui::name::Name;
use wstp_ui::notice::{Banner, EmptyState, Tone};
use wstp_ui::progress::ProgressText;
use wstp_words::{phrase, say};

use crate::page::{News, Page};
use crate::words::{info, is_active, is_complete};

/// Bytes of a text that are shown.
const MOST_TEXT: u64 = 512 << 10;
/// A player that got no bytes is started again after this time.
const AGAIN: Duration = Duration::from_secs(2);

/// The page that shows a transfer's file.
pub fn page(transfer: &TransferId) -> String {
    format!("preview/index.html?{}", transfer.0)
}

/// The whole page.
#[component]
pub fn Preview() -> impl IntoView {
    let Page { catalogue, store, .. } = Page::open();
    let id = TransferId(location().search().unwrap_or_default().trim_start_matches('?').to_owned());
    let kept = Memo::new({
        let id = id.clone();
        move |_| store.is_ready.get().then(|| store.order.with(|order| order.contains(&id)))
    });
    document().set_title(&say!(preview_title));
    let resume = Callback::new(move |transfer| catalogue.send(Command::Resume { transfer }, |_| {}));
    let shown = move || match kept.get() {
        None => ().into_any(),
        Some(false) => gone().into_any(),
        Some(true) => store.transfer(&id).map(|kept| file(kept.view, resume)).into_any(),
    };
    view! {
        <main class="preview">
            <News store=store catalogue=catalogue />
            {shown}
        </main>
    }
}

fn gone() -> impl IntoView {
    view! { <EmptyState icon=Icon::Document title=say!(file_not_in_list) hint=say!(close_tab) /> }
}

fn file(view: ArcRwSignal<TransferView>, resume: Callback<TransferId>) -> impl IntoView {
    let part = |pick: fn(&TransferView) -> String| {
        let view = view.clone();
        Memo::new(move |_| view.with(pick))
    };
    let name = part(|view| view.name.clone());
    let words = part(crate::words::words);
    let progress = Memo::new({
        let view = view.clone();
        move |_| view.with(|view| info(view, String::new()).progress)
    });
    let problem = Memo::new({
        let view = view.clone();
        move |_| view.with(problem)
    });
    let transfer = view.with_untracked(|view| view.id.clone());
    let banner = move || {
        let transfer = transfer.clone();
        problem.get().map(|Problem { what, advice }| {
            view! {
                <Banner tone=Tone::Warn what=what.say() advice=advice.say() calm=true>
                    <Button testid="resume" on_press=move || resume.run(transfer.clone())>{say!(resume)}</Button>
                </Banner>
            }
        })
    };
    Effect::new(move |_| document().set_title(&name.get()));
    view! {
        <header class="preview-head">
            <h1 data-testid="preview-name">
                <Name name=name />
            </h1>
            <span data-testid="preview-state">{words}</span>
            <ProgressText progress=progress />
        </header>
        {banner}
        {contents(view)}
    }
}

/// Why no more bytes come, if none do.
fn problem(view: &TransferView) -> Option<Problem> {
    if is_complete(view) || is_active(view.state) {
        return None;
    }
    let what = match view.state {
        TransferState::Paused => phrase!(download_paused),
        _ => phrase!(download_stopped),
    };
    Some(Problem { what, advice: phrase!(only_arrived_shown) })
}

fn contents(view: ArcRwSignal<TransferView>) -> AnyView {
    let (name, id) = view.with_untracked(|view| (view.name.clone(), view.id.0.clone()));
    let Some(kind) = media_type(&name) else { return unknown().into_any() };
    let url = format!("stored/{id}/{kind}");
    let complete = Memo::new(move |_| view.with(is_complete));
    let later =
        move || view! { <EmptyState icon=Icon::Image title=say!(not_complete_yet) hint=say!(shown_once_complete) /> };
    match kind.split('/').next() {
        Some("video") => view! {
            <video class="preview-player" data-testid="player" controls autoplay src=url on:error=move |event| play_again(&event) />
        }
        .into_any(),
        Some("audio") => view! {
            <audio class="preview-player" data-testid="player" controls autoplay src=url on:error=move |event| play_again(&event) />
        }
        .into_any(),
        Some("image") => view! {
            <Show when=move || complete.get() fallback=later>
                <img class="preview-picture" data-testid="picture" src=url.clone() alt=name.clone() />
            </Show>
        }
        .into_any(),
        Some("text") => view! { <Text url=url /> }.into_any(),
        _ => view! {
            <Show when=move || complete.get() fallback=later>
                <iframe class="preview-document" data-testid="document" src=url.clone() title=name.clone()></iframe>
            </Show>
        }
        .into_any(),
    }
}

fn unknown() -> impl IntoView {
    view! { <EmptyState icon=Icon::Document title=say!(no_preview) hint=say!(save_to_open) /> }
}

/// A player gives up when it gets no bytes for long, as while a server is down. It goes on from the same place.
fn play_again(event: &Event) {
    const NETWORK: u16 = 2;
    let Some(player) = event.target().and_then(|player| player.dyn_into::<HtmlMediaElement>().ok()) else { return };
    if player.error().is_none_or(|error| error.code() != NETWORK) {
        return;
    }
    let at = player.current_time();
    let again = move || {
        player.load();
        player.set_current_time(at);
        // The browser may want a click first.
        let _ = player.play();
    };
    set_timeout(again, AGAIN);
}

/// The beginning of a text.
#[component]
fn Text(url: String) -> impl IntoView {
    let text = RwSignal::new(None);
    spawn_local(async move {
        let read = beginning(&url).await;
        let _ = text.try_set(Some(read));
    });
    let shown = move || match text.get() {
        None => view! { <p class="muted">{say!(reading_beginning)}</p> }.into_any(),
        Some(Some((text, is_whole))) => view! {
            <pre class="preview-text" data-testid="text" tabindex="0" dir="auto">{text}</pre>
            {(!is_whole).then(|| view! { <p class="muted">{say!(only_beginning)}</p> })}
        }
        .into_any(),
        Some(None) => {
            let (title, hint) = (say!(text_unreadable), say!(reload_to_retry));
            view! { <EmptyState icon=Icon::Document title=title hint=hint /> }.into_any()
        }
    };
    view! { {shown} }
}

/// The beginning of a file as text, and whether that is all of it.
async fn beginning(url: &str) -> Option<(String, bool)> {
    let mut text = Vec::new();
    loop {
        let (bytes, size) = read(url, text.len() as u64).await?;
        text.extend(bytes);
        let is_whole = text.len() as u64 >= size;
        if is_whole || text.len() as u64 >= MOST_TEXT {
            return Some((String::from_utf8_lossy(&text).into_owned(), is_whole));
        }
    }
}

/// Bytes from an offset on, and the size of the file.
async fn read(url: &str, offset: u64) -> Option<(Vec<u8>, u64)> {
    let init = RequestInit::new();
    let headers = web_sys::Headers::new().ok()?;
    headers.set("range", &format!("bytes={offset}-{}", MOST_TEXT.max(offset + 1) - 1)).ok()?;
    init.set_headers(&headers);
    let response = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await.ok()?;
    let response: Response = response.dyn_into().ok()?;
    if response.status() == 416 && offset == 0 {
        return Some((Vec::new(), 0));
    }
    let size = response.headers().get("content-range").ok()??.rsplit_once('/')?.1.parse().ok()?;
    let bytes = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some((Uint8Array::new(&bytes).to_vec(), size))
}
