//! The files of a folder's transfer: as many pages of them as are in sight, asked for again when the transfer goes on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use leptos::prelude::*;
use wstp_messages::{Command, FileView, FolderView, MAX_FILES, Problem, Reply, TransferId, TransferView};
use wstp_ui::button::{Button, Weight};
use wstp_ui::file_list::{FileInfo, FileList};
use wstp_words::{Arg, say};

use crate::catalogue::Catalogue;
use crate::words::file;

/// Files in a page.
const PAGE: usize = 100;
const _: () = assert!(PAGE <= MAX_FILES as usize);
/// Pages kept; those further from what is in sight go first.
const PAGES: usize = 8;
/// Between two looks at what changed.
const LATER: Duration = Duration::from_secs(1);

/// The told state of the files; cheap to copy.
#[derive(Clone, Copy)]
struct Files {
    catalogue: Catalogue,
    transfer: StoredValue<TransferId>,
    pages: RwSignal<BTreeMap<usize, Vec<FileView>>>,
    total: RwSignal<usize>,
    problem: RwSignal<Option<Problem>>,
    only_problems: RwSignal<bool>,
    /// The rows in sight.
    sight: StoredValue<Range<usize>>,
    /// Whether [`Files::ask_soon`] is about to ask.
    is_due: StoredValue<bool>,
    /// Whether an answer is awaited, and whether something changed meanwhile.
    asked: StoredValue<(bool, bool)>,
}

impl Files {
    fn get(self, index: usize) -> Option<FileInfo> {
        self.pages.with(|pages| pages.get(&(index / PAGE))?.get(index % PAGE).map(file))
    }

    /// Other rows are in sight.
    fn see(self, sight: Range<usize>) {
        let is_known = self.pages.with_untracked(|pages| pages_of(&sight).all(|page| pages.contains_key(&page)));
        self.sight.set_value(sight);
        if !is_known {
            self.ask();
        }
    }

    /// Asks a little later: what is shown of the transfer becomes durable, and so listed, a little later too.
    fn ask_soon(self) {
        if self.is_due.try_update_value(|is_due| std::mem::replace(is_due, true)) == Some(false) {
            let ask = move || {
                let _ = self.is_due.try_set_value(false);
                self.ask();
            };
            set_timeout(ask, LATER);
        }
    }

    /// Asks for the pages in sight, one after the other, and for what changed meanwhile once they are there.
    fn ask(self) {
        let is_free = self.asked.try_update_value(|(awaited, missed)| {
            *missed = *awaited;
            !std::mem::replace(awaited, true)
        });
        if is_free == Some(true)
            && let Some(sight) = self.sight.try_get_value()
        {
            self.ask_for(pages_of(&sight));
        }
    }

    fn ask_for(self, mut pages: Range<usize>) {
        let Some(page) = pages.next() else {
            let missed = self.asked.try_update_value(|asked| std::mem::take(asked).1);
            if missed == Some(true) {
                self.ask();
            }
            return;
        };
        let only_problems = self.only_problems.get_untracked();
        let (from, limit) = ((page * PAGE) as u64, PAGE as u32);
        let command = Command::Files { transfer: self.transfer.get_value(), only_problems, from, limit };
        self.catalogue.send(command, move |result| {
            // The row may have been closed meanwhile.
            if self.only_problems.try_get_untracked().is_none_or(|now| now != only_problems) {
                return;
            }
            match result {
                Ok(Reply::Files { files, total }) => self.take(page, files, total),
                Ok(_) => {}
                Err(problem) => self.problem.set(Some(problem)),
            }
            self.ask_for(pages);
        });
    }

    fn take(self, page: usize, files: Vec<FileView>, total: u64) {
        self.problem.set(None);
        self.pages.update(|pages| {
            pages.insert(page, files);
            while pages.len() > PAGES {
                let first = pages.first_key_value().map_or(page, |(first, _)| *first);
                let last = pages.last_key_value().map_or(page, |(last, _)| *last);
                pages.remove(if page - first > last - page { &first } else { &last });
            }
        });
        self.total.set(usize::try_from(total).unwrap_or(usize::MAX));
    }

    fn show_only_problems(self, only: bool) {
        self.only_problems.set(only);
        self.pages.set(BTreeMap::new());
        self.asked.set_value((false, false));
        self.ask();
    }
}

/// At least the first one, which says how many there are.
fn pages_of(rows: &Range<usize>) -> Range<usize> {
    rows.start / PAGE..rows.end.div_ceil(PAGE).max(rows.start / PAGE + 1)
}

/// Whether no file was found, so that a list of files would be empty and the problems are all there is to see.
const fn has_only_problems(folder: FolderView) -> bool {
    folder.files == 0 && folder.problems > 0
}

/// The list, with what stands above it. It opens on the problems where there is nothing else.
#[component]
pub fn FolderFiles(id: TransferId, view: RwSignal<TransferView>, catalogue: Catalogue) -> impl IntoView {
    let files = Files {
        catalogue,
        transfer: StoredValue::new(id),
        pages: RwSignal::default(),
        total: RwSignal::new(0),
        problem: RwSignal::new(None),
        only_problems: RwSignal::new(false),
        sight: StoredValue::new(0..0),
        is_due: StoredValue::new(false),
        asked: StoredValue::new((false, false)),
    };
    let folder = Memo::new(move |_| view.with(|view| view.folder.unwrap_or_default()));
    let chosen = RwSignal::new(None);
    let only_problems = Memo::new(move |_| chosen.get().unwrap_or_else(|| has_only_problems(folder.get())));
    Effect::new(move |_| files.show_only_problems(only_problems.get()));
    Effect::new(move |_| {
        view.track();
        files.ask_soon();
    });
    let problems = move || folder.get().problems;
    let words = move || match files.problem.get() {
        // The known list stays, although the copy that it came from is gone.
        Some(Problem { what, .. }) if files.total.get() == 0 => what.say(),
        _ if files.only_problems.get() => say!(problems, Arg::Count(files.total.get() as u64)),
        _ => say!(files, Arg::Count(files.total.get() as u64)),
    };
    let toggle = move || chosen.set(Some(!only_problems.get_untracked()));
    view! {
        <section aria-label=say!(files_of_folder)>
            <div class="files-head">
                <span>{words}</span>
                <Show when=move || { problems() > 0 || files.only_problems.get() }>
                    <Button weight=Weight::Quiet testid="only-problems" on_press=toggle>
                        {move || if files.only_problems.get() { say!(show_all_files) } else { say!(show_only_problems) }}
                    </Button>
                </Show>
            </div>
            <Show when=move || { files.total.get() > 0 }>
                <FileList count=files.total file=move |index| files.get(index) on_sight=move |rows| files.see(rows) />
            </Show>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_files_opens_on_its_problems() {
        for (files, problems, expected) in [(0, 0, false), (0, 2, true), (3, 2, false), (3, 0, false)] {
            let folder = FolderView { files, problems, ..FolderView::default() };
            assert_eq!(has_only_problems(folder), expected, "{files} files, {problems} problems");
        }
    }

    #[test]
    fn rows_lie_on_pages() {
        assert_eq!(pages_of(&(0..0)), 0..1);
        assert_eq!(pages_of(&(0..100)), 0..1);
        assert_eq!(pages_of(&(99..101)), 0..2);
        assert_eq!(pages_of(&(250..260)), 2..3);
    }
}
