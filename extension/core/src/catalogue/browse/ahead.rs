//! The part of a folder that was read before the view wanted it. Pure.
//!
//! A view asks for a page, draws it, and asks for the next. Meanwhile the pages behind it come from the server, and the
//! view gets all of them at once.

use futures_channel::oneshot;
use wstp_protocol::{Entry, Listing, SharePath};

/// Entries from which on nothing more is read ahead: a megabyte or so.
const ENOUGH: usize = 16_000;

/// The rest of a folder, as far as it is read. `E` is why it could not be read.
#[derive(Debug)]
pub struct Ahead<E> {
    path: SharePath,
    /// The cursor that the view has. The entries begin there.
    cursor: String,
    entries: Vec<Entry>,
    /// The cursor behind the entries. None at the folder's end.
    next: Option<String>,
    /// Whether the server was asked for what is behind the entries.
    is_asked: bool,
    error: Option<E>,
    /// Wakes the view, which wants something that is still under way.
    waits: Option<oneshot::Sender<()>>,
}

/// The answer to the view's request.
#[derive(Debug)]
pub enum Page<E> {
    /// It is under way. Ask again once this completes.
    Coming(oneshot::Receiver<()>),
    /// Entries, and the cursor behind them if there is more.
    Read(Vec<Entry>, Option<String>),
    /// It could not be read.
    Error(E),
}

impl<E> Ahead<E> {
    /// Nothing is read yet of a folder from `cursor` on.
    pub fn new(path: SharePath, cursor: String) -> Self {
        let next = Some(cursor.clone());
        Self { path, cursor, entries: Vec::new(), next, is_asked: false, error: None, waits: None }
    }

    /// Whether a view that asks for this gets what is read here.
    pub fn is_for(&self, path: &SharePath, cursor: Option<&str>) -> bool {
        self.path == *path && cursor == Some(&self.cursor)
    }

    /// The path and the cursor of a page to ask the server for now. [`Ahead::handle`] takes the answer.
    pub fn poll_request(&mut self) -> Option<(SharePath, String)> {
        if self.is_asked || self.error.is_some() || self.entries.len() >= ENOUGH {
            return None;
        }
        let next = self.next.clone()?;
        self.is_asked = true;
        Some((self.path.clone(), next))
    }

    /// The server's answer.
    pub fn handle(&mut self, answer: Result<Listing, E>) {
        self.is_asked = false;
        match answer {
            Ok(Listing { entries, next, .. }) => {
                self.entries.extend(entries);
                self.next = next;
            }
            Err(error) => self.error = Some(error),
        }
        if let Some(waits) = self.waits.take() {
            // The view may have gone elsewhere.
            let _ = waits.send(());
        }
    }

    /// Takes all that was read. An error comes behind it, with the next request.
    pub fn take(&mut self) -> Page<E> {
        if !self.entries.is_empty() || self.next.is_none() {
            if let Some(next) = &self.next {
                self.cursor.clone_from(next);
            }
            return Page::Read(std::mem::take(&mut self.entries), self.next.clone());
        }
        if let Some(error) = self.error.take() {
            return Page::Error(error);
        }
        let (waits, coming) = oneshot::channel();
        self.waits = Some(waits);
        Page::Coming(coming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use wstp_protocol::EntryKind;

    fn listing(names: &[&str], next: Option<&str>) -> Listing {
        let entry = |name: &&str| Entry { name: (*name).to_owned(), kind: EntryKind::File, size: 0, modified_ms: None };
        Listing { id: 0, entries: names.iter().map(entry).collect(), next: next.map(str::to_owned) }
    }

    fn ahead() -> Ahead<&'static str> {
        Ahead::new(SharePath::root(), "a".to_owned())
    }

    /// The names, and the cursor behind them.
    fn read(page: Page<&'static str>) -> (Vec<String>, Option<String>) {
        match page {
            Page::Read(entries, next) => (entries.into_iter().map(|entry| entry.name).collect(), next),
            other => panic!("{other:?}"),
        }
    }

    fn asked(ahead: &mut Ahead<&'static str>) -> Option<String> {
        ahead.poll_request().map(|(_, cursor)| cursor)
    }

    #[test]
    fn pages_are_asked_for_one_after_the_other_and_come_together() {
        let mut ahead = ahead();
        assert_eq!(asked(&mut ahead).as_deref(), Some("a"));
        assert_eq!(asked(&mut ahead), None, "one is under way");
        ahead.handle(Ok(listing(&["1", "2"], Some("b"))));
        assert_eq!(asked(&mut ahead).as_deref(), Some("b"));
        ahead.handle(Ok(listing(&["3"], Some("c"))));
        assert_eq!(asked(&mut ahead).as_deref(), Some("c"));
        assert!(ahead.is_for(&SharePath::root(), Some("a")));
        assert_eq!(read(ahead.take()), (vec!["1".into(), "2".into(), "3".into()], Some("c".into())));
        assert!(ahead.is_for(&SharePath::root(), Some("c")) && !ahead.is_for(&SharePath::root(), Some("a")));
        ahead.handle(Ok(listing(&["4"], None)));
        assert_eq!(asked(&mut ahead), None, "the folder is over");
        assert_eq!(read(ahead.take()), (vec!["4".into()], None));
    }

    #[test]
    fn a_view_that_is_faster_waits_for_the_page_under_way() {
        let mut ahead = ahead();
        asked(&mut ahead);
        let Page::Coming(coming) = ahead.take() else { panic!("nothing is there") };
        let mut coming = Box::pin(coming);
        assert!(coming.as_mut().now_or_never().is_none());
        ahead.handle(Ok(listing(&[], None)));
        assert!(coming.now_or_never().is_some());
        assert_eq!(read(ahead.take()), (vec![], None));
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it() {
        let mut ahead = ahead();
        asked(&mut ahead);
        ahead.handle(Ok(listing(&["1"], Some("b"))));
        asked(&mut ahead);
        ahead.handle(Err("lost"));
        assert_eq!(asked(&mut ahead), None);
        assert_eq!(read(ahead.take()), (vec!["1".into()], Some("b".into())));
        assert!(matches!(ahead.take(), Page::Error("lost")));
    }

    #[test]
    fn no_more_is_read_ahead_than_a_view_takes_at_once() {
        let mut ahead = ahead();
        let names = vec!["n"; 1000];
        let mut pages = 0;
        while asked(&mut ahead).is_some() {
            ahead.handle(Ok(listing(&names, Some("more"))));
            pages += 1;
        }
        assert_eq!(pages * names.len(), ENOUGH);
        ahead.take();
        assert!(asked(&mut ahead).is_some());
    }
}
