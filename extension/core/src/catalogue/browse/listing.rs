//! The pages of a folder: as large as the line lets them come in time, and read ahead of the view.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use wasm_bindgen_futures::spawn_local;
use wstp_engine::peer::{self, Request};
use wstp_messages::Problem;
use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{Entry, Listing, SharePath};
use wstp_words::phrase;

use super::Unanswered;
use super::ahead::{Ahead, Page};
use super::connection::{Connection, lost};
use crate::clock;
use crate::words::problem;

/// Entries in one page: as many as a server sends. A folder of 100,000 entries needs 100 of them.
const PAGE: u32 = MAX_LIST_ENTRIES;
/// The same while nobody knows how fast the line is, and on a slow one. At a few hundred bytes a second they come
/// within the patience.
pub const SHORT_PAGE: u32 = 100;
/// A page that took no longer may be a full one next time.
const QUICK: Duration = Duration::from_secs(2);

impl Connection {
    /// Entries of a folder from a cursor on, and the cursor behind them. Reads on meanwhile.
    pub async fn read(
        self: &Rc<Self>,
        path: SharePath,
        cursor: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), Unanswered> {
        let ahead = self.state.borrow_mut().ahead.take();
        if let Some(ahead) = ahead.filter(|ahead| ahead.borrow().is_for(&path, cursor.as_deref())) {
            self.state.borrow_mut().ahead = Some(ahead.clone());
            return self.take(ahead).await;
        }
        let Listing { entries, next, .. } = self.page(path.clone(), cursor).await?;
        if let Some(next) = &next {
            let ahead = Rc::new(RefCell::new(Ahead::new(path, next.clone())));
            self.state.borrow_mut().ahead = Some(ahead.clone());
            self.read_on(ahead);
        }
        Ok((entries, next))
    }

    /// Takes what was read ahead, or waits for it.
    async fn take(
        self: &Rc<Self>,
        ahead: Rc<RefCell<Ahead<Unanswered>>>,
    ) -> Result<(Vec<Entry>, Option<String>), Unanswered> {
        loop {
            let page = ahead.borrow_mut().take();
            match page {
                Page::Read(entries, next) => {
                    self.read_on(ahead);
                    return Ok((entries, next));
                }
                Page::Error(error) => {
                    self.state.borrow_mut().ahead = None;
                    return Err(error);
                }
                Page::Coming(coming) => coming.await.map_err(|_| lost(self.label()))?,
            }
        }
    }

    /// Reads ahead, until that is enough or the view wants something else.
    fn read_on(self: &Rc<Self>, ahead: Rc<RefCell<Ahead<Unanswered>>>) {
        let connection = self.clone();
        spawn_local(async move {
            while connection.state.borrow().ahead.as_ref().is_some_and(|wanted| Rc::ptr_eq(wanted, &ahead)) {
                let request = ahead.borrow_mut().poll_request();
                let Some((path, cursor)) = request else { return };
                let answer = connection.page(path, Some(cursor)).await;
                ahead.borrow_mut().handle(answer);
            }
        });
    }

    /// Asks for one page of a folder.
    async fn page(&self, path: SharePath, cursor: Option<String>) -> Result<Listing, Unanswered> {
        let limit = self.state.borrow().page;
        let began = clock::now();
        match self.ask(Request::List { path, cursor, limit }).await? {
            // A page without entries that is not the last would be followed by another one for ever.
            peer::Reply::Listing(listing) if listing.entries.is_empty() && listing.next.is_some() => {
                Err(endless(self.label()).into())
            }
            peer::Reply::Listing(listing) => {
                let is_quick = clock::now() - began <= QUICK;
                self.state.borrow_mut().page = if is_quick { PAGE } else { SHORT_PAGE };
                Ok(listing)
            }
            peer::Reply::Failure(failure) => Err(self.refused(failure.code, &failure.text)),
            _ => Err(lost(self.label()).into()),
        }
    }
}

fn endless(label: &str) -> Problem {
    problem(phrase!(listing_endless, label), phrase!(ask_server))
}
