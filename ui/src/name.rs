//! Names from strangers, shown as text.
//!
//! A name is never markup and never reorders the text around it (`bdi`). Characters that mislead are drawn as marks. A
//! name that is too long for its place loses its middle and keeps its ending, which says what it is. The text and the
//! tooltip always have the whole name.

use leptos::prelude::*;
use wstp_text::strangers::{marked, runs_right_to_left};

/// Names up to this many characters are left in one piece.
const WHOLE: usize = 20;
/// Characters that are kept in front of the extension.
const KEPT: usize = 4;
/// An extension longer than this is none.
const LONGEST_EXTENSION: usize = 8;

/// A name cut where it may lose its middle: the part that can be shortened, and the end that is kept. The end is empty
/// if the cut would be unsafe. It is unsafe near text that is not plain ASCII, and in names with letters that run from
/// right to left.
pub fn split(name: &str) -> (&str, &str) {
    if name.chars().count() <= WHOLE || name.chars().any(runs_right_to_left) {
        return (name, "");
    }
    let extension = name.rsplit_once('.').map_or(0, |(_, extension)| extension.len() + 1);
    let tail = KEPT + if extension > LONGEST_EXTENSION + 1 { 0 } else { extension };
    let cut = name.len().saturating_sub(tail);
    let around = name.as_bytes().get(cut.saturating_sub(1)..).unwrap_or_default();
    if around.is_ascii() { name.split_at(cut) } else { (name, "") }
}

/// Shows a name on one line, as wide as its place allows.
#[component]
pub fn Name(
    /// The name.
    #[prop(into)]
    name: Signal<String>,
) -> impl IntoView {
    let shown = Memo::new(move |_| name.with(|name| marked(name).into_owned()));
    let head = move || shown.with(|name| split(name).0.to_owned());
    let tail = move || shown.with(|name| split(name).1.to_owned());
    let reserve = move || shown.with(|name| format!("{}ch", split(name).1.len()));
    view! {
        <bdi class="name" title=shown style:--tail=reserve>
            <span class="name-head">{head}</span>
            <span class="name-tail">{tail}</span>
        </bdi>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_keeps_the_extension() {
        assert_eq!(
            split("Symphony No. 9 in D minor, 4th movement.flac"),
            ("Symphony No. 9 in D minor, 4th move", "ment.flac")
        );
        assert_eq!(split("short.txt"), ("short.txt", ""));
        assert_eq!(split("a name without any extension"), ("a name without any exten", "sion"));
        assert_eq!(split("a sentence. And then another sentence"), ("a sentence. And then another sent", "ence"));
    }

    #[test]
    fn names_that_can_not_be_cut_safely_stay_whole() {
        for name in [
            "שלום עולם זה שם ארוך מאוד.txt",
            "a long name, then emoji at the end 👩‍👩‍👧‍👦.txt",
            "ends in \u{202e}a trick that hides.exe",
        ] {
            assert_eq!(split(name), (name, ""));
        }
    }

    #[test]
    fn both_parts_make_the_whole() {
        for name in [
            "",
            ".",
            "é".repeat(40).as_str(),
            "日本語の長いファイル名がここにあります.tar.gz",
            "....................x",
            "x".repeat(255).as_str(),
        ] {
            let (head, tail) = split(name);
            assert_eq!(format!("{head}{tail}"), name);
        }
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod browser_tests {
    use super::*;
    use wasm_bindgen::JsCast;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn markup_in_a_name_is_text() {
        let text = "<img src=x onerror=alert(1)> and more.txt";
        let place = document().create_element("div").expect("a document makes elements");
        let mounted = leptos::mount::mount_to(place.clone().unchecked_into(), move || view! { <Name name=text /> });
        assert_eq!(place.text_content().as_deref(), Some(text));
        assert_eq!(place.query_selector("img").ok(), Some(None));
        assert_eq!(
            place.query_selector("bdi").ok().flatten().and_then(|bdi| bdi.get_attribute("title")).as_deref(),
            Some(text)
        );
        drop(mounted);
    }

    #[wasm_bindgen_test]
    fn characters_that_mislead_are_drawn_as_marks() {
        let place = document().create_element("div").expect("a document makes elements");
        let name = "photo\u{202e}gnp\n.exe";
        let mounted = leptos::mount::mount_to(place.clone().unchecked_into(), move || view! { <Name name=name /> });
        assert_eq!(place.text_content().as_deref(), Some("photo[U+202E]gnp[U+000A].exe"));
        drop(mounted);
    }
}
