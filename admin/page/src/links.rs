//! Share links: made here, shown once with a picture for telephones, listed and removed.

use js_sys::Reflect;
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use qrcodegen::{QrCode, QrCodeEcc};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Clipboard;
use wstp_admin_messages::{Action, AddLink, LinkState};
use wstp_ui::button::{Button, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::dialog::Dialog;
use wstp_ui::field::TextField;
use wstp_ui::icon::Icon;
use wstp_ui::notice::EmptyState;

use crate::parts::{moment, number, part};
use crate::server::Server;

/// Modules around a picture, which a camera needs (ISO/IEC 18004).
const QUIET: i32 = 4;

/// The view.
#[component]
pub fn Links(server: Server) -> impl IntoView {
    let links = part(server, |state| state.links.clone());
    let is_empty = Memo::new(move |_| links.with(Vec::is_empty));
    let made = RwSignal::new(String::new());
    view! {
        <h2>"Share links"</h2>
        {move || {
            is_empty
                .get()
                .then(|| {
                    view! {
                        <EmptyState
                            icon=Icon::OpenTab
                            title="No links".to_owned()
                            hint="A link opens one file or one folder to whoever has it, for a while.".to_owned()
                        />
                    }
                })
        }}
        <table class="table" hidden=is_empty>
            <thead>
                <tr>
                    <th>"Number"</th>
                    <th>"Opens"</th>
                    <th>"Made by"</th>
                    <th>"Ends"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=move || links.get() key=|link| (link.id.clone(), link.downloads, link.works) let(link)>
                    <Link server=server link=link />
                </For>
            </tbody>
        </table>
        <NewLink server=server path=RwSignal::new(String::new()) made=made />
        <MadeLink server=server made=made />
    }
}

/// Shows a new link, once. Empty text is none.
#[component]
pub fn MadeLink(server: Server, made: RwSignal<String>) -> impl IntoView {
    let shows = RwSignal::new(false);
    // Each writes only a change: a signal tells of every write, and the two would wake each other for ever.
    Effect::new(move |_| {
        if !made.with(String::is_empty) {
            shows.set(true);
        }
    });
    // Once it is closed, nobody sees the code again.
    Effect::new(move |_| {
        if !shows.get() && !made.with_untracked(String::is_empty) {
            made.set(String::new());
        }
    });
    let copy = move || {
        let copying = clipboard().map(|clipboard| clipboard.write_text(&made.get_untracked()));
        leptos::task::spawn_local(async move {
            let is_copied = match copying {
                Some(copying) => JsFuture::from(copying).await.is_ok(),
                None => false,
            };
            let words = if is_copied { "The link is copied." } else { "Select the link, and copy it." };
            server.toasts.show(words.to_owned(), None);
        });
    };
    view! {
        <Dialog open=shows title="The new link".to_owned()>
            <p>"It is shown this once. Anybody who has it may download what it opens."</p>
            <code class="secret" data-testid="link-url">
                {made}
            </code>
            {move || picture(&made.get())}
            <div class="dialog-actions">
                <Button testid="link-copy" on_press=copy>"Copy"</Button>
                <Button weight=Weight::Primary testid="link-kept" on_press=move || shows.set(false)>"I have it"</Button>
            </div>
        </Dialog>
    }
}

/// A link as a QR code, if it is one and not too long.
fn picture(link: &str) -> Option<impl IntoView + use<>> {
    let code = QrCode::encode_text(link, QrCodeEcc::Medium).ok().filter(|_| !link.is_empty())?;
    let cells = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
    let dark = cells.filter(|(x, y)| code.get_module(*x, *y));
    let path: String = dark.map(|(x, y)| format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET)).collect();
    let size = code.size() + 2 * QUIET;
    Some(view! {
        <svg class="qr" viewBox=format!("0 0 {size} {size}") role="img" aria-label="The link as a QR code" data-testid="link-qr">
            <rect width=size height=size class="qr-light" />
            <path d=path class="qr-dark" />
        </svg>
    })
}

#[component]
fn Link(server: Server, link: LinkState) -> impl IntoView {
    let ends = match (link.works, link.downloads) {
        (false, _) => "it opens nothing any more".to_owned(),
        (true, Some(left)) => format!("{}, or after {left} downloads", moment(&DateWriter::new(), link.expires)),
        (true, None) => moment(&DateWriter::new(), link.expires),
    };
    let password = if link.has_password { " (with a password)" } else { "" };
    let (id, shown) = (link.id.clone(), link.id.clone());
    view! {
        <tr data-testid="link">
            <td data-label="Number">{link.id}</td>
            <td data-label="Opens">
                <bdi>{link.path}</bdi>
                {password}
            </td>
            <td data-label="Made by">
                <bdi>{link.user.unwrap_or_else(|| "—".to_owned())}</bdi>
            </td>
            <td data-label="Ends">{ends}</td>
            <td class="acts">
                <Button
                    weight=Weight::Danger
                    testid="remove-link"
                    spoken=format!("Remove link {shown}")
                    on_press=move || server.act(Action::RemoveLink { id: id.clone() }, "The link is removed. Downloads with it end.")
                >
                    "Remove"
                </Button>
            </td>
        </tr>
    }
}

/// Makes a link to a path.
#[component]
pub fn NewLink(server: Server, path: RwSignal<String>, made: RwSignal<String>) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let (days, downloads) = (RwSignal::new("7".to_owned()), RwSignal::new(String::new()));
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Ok(days), Some(downloads)) = (days.get_untracked().trim().parse(), number(&downloads.get_untracked()))
        else {
            return server.toasts.show("Type numbers of days and downloads.".to_owned(), None);
        };
        let typed = password.get_untracked();
        let link = AddLink {
            path: path.get_untracked().trim().to_owned(),
            days,
            downloads,
            password: (!typed.is_empty()).then_some(typed),
        };
        server.ask(Action::AddLink(link), move |done| {
            made.set(done.link.map(|link| format!("{}{link}", own_address())).unwrap_or_default());
            [path, password].iter().for_each(|field| field.set(String::new()));
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <h2>"Make a link"</h2>
            <TextField label="File or folder".to_owned() value=path placeholder="films/new/a film.mkv" testid="link-path" />
            <TextField label="Days until it ends".to_owned() value=days testid="link-days" />
            <TextField label="Visitors who may download".to_owned() value=downloads placeholder="any number" testid="link-downloads" />
            <TextField label="Password, 8 characters or more".to_owned() value=password is_secret=true placeholder="none" testid="link-password" />
            <Button weight=Weight::Primary submit=true testid="link-add">"Make"</Button>
        </form>
    }
}

/// The browser's clipboard, which pages without encryption don't get.
fn clipboard() -> Option<Clipboard> {
    Reflect::get(&window().navigator(), &"clipboard".into()).ok()?.dyn_into().ok()
}

/// The server's address, as this browser knows it: what stands before `admin/`.
fn own_address() -> String {
    let location = window().location();
    let (origin, path) = (location.origin().unwrap_or_default(), location.pathname().unwrap_or_default());
    format!("{origin}{}", path.strip_suffix("admin/").unwrap_or("/"))
}
