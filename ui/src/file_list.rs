//! The files of a folder that is or was fetched. The list draws only the rows in sight and asks for no others, so a
//! million files cost no more than ten.

use std::ops::Range;

use leptos::html::Div;
use leptos::prelude::*;
use wstp_words::{say, shown};

use crate::icon::{Glyph, Icon};
use crate::list_window::{ROW, visible};
use crate::name::Name;
use crate::notice::Tone;

/// Rows in sight at once.
const SHOWN: usize = 8;

/// A file as the list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path in the folder.
    pub path: String,
    /// Its size or its state, in few words.
    pub words: String,
    /// The same in full, if there is more to say.
    pub more: String,
    /// The tone of these words.
    pub tone: Tone,
}

/// The list.
#[component]
pub fn FileList(
    /// How many files there are.
    #[prop(into)]
    count: Signal<usize>,
    /// Gives a file, if it is known. The signals that it reads are tracked.
    #[prop(into)]
    file: Callback<usize, Option<FileInfo>>,
    /// Called with the drawn rows.
    #[prop(into)]
    on_sight: Callback<Range<usize>>,
) -> impl IntoView {
    let body = NodeRef::<Div>::new();
    let scrolled = RwSignal::new(0.0_f64);
    let height = move || count.get().clamp(1, SHOWN) as f64 * ROW;
    let range = Memo::new(move |_| visible(scrolled.get(), height(), count.get()));
    Effect::new(move |_| on_sight.run(range.get()));
    let on_scroll = move |_| {
        if let Some(body) = body.get_untracked() {
            scrolled.set(f64::from(body.scroll_top()));
        }
    };
    view! {
        <div
            class="files"
            role="list"
            aria-label=say!(files_of_folder)
            tabindex="0"
            node_ref=body
            style:height=move || format!("{}px", height())
            on:scroll=on_scroll
        >
            <div class="files-all" style:height=move || format!("{}px", count.get() as f64 * ROW)>
                <For each=move || range.get() key=|index| *index let(index)>
                    <FileRow index=index count=count file=file />
                </For>
            </div>
        </div>
    }
}

#[component]
fn FileRow(index: usize, count: Signal<usize>, file: Callback<usize, Option<FileInfo>>) -> impl IntoView {
    let info = Memo::new(move |_| file.run(index).unwrap_or_default());
    let path = Memo::new(move |_| info.with(|info| info.path.clone()));
    let tone = Memo::new(move |_| info.with(|info| info.tone));
    view! {
        <div
            class="file"
            role="listitem"
            aria-setsize=move || count.get().to_string()
            aria-posinset=(index + 1).to_string()
            data-testid="file"
            data-name=path
            data-tone=move || tone.get().name()
            title=move || info.with(|info| shown(&info.more))
            style:top=format!("{}px", index as f64 * ROW)
        >
            <Glyph icon=Signal::derive(move || glyph(tone.get())) />
            <span class="file-path"><Name name=path /></span>
            <span class="file-words">{move || info.with(|info| shown(&info.words))}</span>
        </div>
    }
}

/// The shape tells the tone without the colour.
const fn glyph(tone: Tone) -> Icon {
    match tone {
        Tone::Good => Icon::Check,
        Tone::Bad | Tone::Warn => Icon::Alert,
        Tone::Neutral | Tone::Active => Icon::File,
    }
}
