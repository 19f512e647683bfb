//! The path to the current folder, and the way back.

use leptos::prelude::*;
use wstp_text::strangers::marked;
use wstp_words::say;

use crate::button::IconButton;
use crate::icon::{Glyph, Icon};

/// Crumbs shown at the end of a long way, besides the first.
const LAST: usize = 3;

/// The crumbs of a path: its steps with their depth, and `None` for steps that are left out.
fn crumbs(steps: &[String]) -> Vec<Option<(usize, String)>> {
    let step = |depth: usize| Some((depth, steps[depth].clone()));
    if steps.len() <= LAST + 1 {
        return (0..steps.len()).map(step).collect();
    }
    let end = steps.len() - LAST..steps.len();
    [step(0), None].into_iter().chain(end.map(step)).collect()
}

/// The path from the server to the current folder.
#[component]
pub fn Breadcrumbs(
    /// The names on the path, the server's first.
    #[prop(into)]
    steps: Signal<Vec<String>>,
    /// Called with the number of steps to keep: at least 1.
    #[prop(into)]
    on_go: Callback<usize>,
    /// Buttons before the way.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let shown = Memo::new(move |_| steps.with(|steps| crumbs(steps)));
    let depth = move || steps.with(Vec::len);
    view! {
        <nav class="crumbs" aria-label=say!(folder_path)>
            {children.map(|children| children())}
            <IconButton
                icon=Icon::Up
                label=say!(up_one_folder)
                testid="back"
                disabled=Signal::derive(move || depth() < 2)
                on_press=move || on_go.run(steps.with_untracked(Vec::len).saturating_sub(1).max(1))
            />
            <ol>
                <For each=move || shown.get() key=Clone::clone let(crumb)>
                    <Crumb crumb=crumb depth=Signal::derive(depth) on_go=on_go />
                </For>
            </ol>
        </nav>
    }
}

#[component]
fn Crumb(crumb: Option<(usize, String)>, depth: Signal<usize>, on_go: Callback<usize>) -> impl IntoView {
    let first = matches!(crumb, Some((0, _)));
    let separator = (!first).then(|| view! { <Glyph icon=Icon::ChevronRight /> });
    let step = match crumb {
        None => view! { <span class="crumb-gap">"…"</span> }.into_any(),
        Some((index, name)) => {
            let (title, shown) = (marked(&name).into_owned(), marked(&name).into_owned());
            let here = move || (index + 1 == depth.get()).then_some("page");
            view! {
                <button
                    class="crumb"
                    type="button"
                    data-testid="crumb"
                    data-name=name
                    title=title
                    aria-current=here
                    on:click=move |_| on_go.run(index + 1)
                >
                    <bdi>{shown}</bdi>
                </button>
            }
            .into_any()
        }
    };
    view! { <li>{separator}{step}</li> }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(names: &str) -> Vec<String> {
        names.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_long_way_keeps_its_beginning_and_its_end() {
        let shown: Vec<_> =
            crumbs(&way("s/a/b/c/d/e")).into_iter().map(|crumb| crumb.map(|(depth, _)| depth)).collect();
        assert_eq!(shown, [Some(0), None, Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn a_short_way_is_whole() {
        assert_eq!(crumbs(&way("s/a/b/c")).len(), 4);
        assert!(crumbs(&[]).is_empty());
    }
}
